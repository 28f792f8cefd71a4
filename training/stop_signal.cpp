#include "training/stop_signal.h"

#include <csignal>

namespace pulmo::training {
namespace {

volatile std::sig_atomic_t received_signal = 0;
struct sigaction previous_term;
struct sigaction previous_usr1;

extern "C" void remember_signal(int number) {
  received_signal = number;
}

}  // namespace

StopSignal::StopSignal() {
  received_signal = 0;
  struct sigaction action {};
  action.sa_handler = &remember_signal;
  action.sa_flags = SA_RESTART;  // reads and writes under way go on
  ::sigaction(SIGTERM, &action, &previous_term);
  ::sigaction(SIGUSR1, &action, &previous_usr1);
}

StopSignal::~StopSignal() {
  ::sigaction(SIGTERM, &previous_term, nullptr);
  ::sigaction(SIGUSR1, &previous_usr1, nullptr);
}

int StopSignal::received() const {
  return received_signal;
}

}  // namespace pulmo::training
