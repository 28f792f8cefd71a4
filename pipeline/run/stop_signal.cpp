#include "pipeline/run/stop_signal.h"

#include <atomic>
#include <csignal>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int number) {
  stop.store(true);
  std::signal(number, SIG_DFL);
}

}  // namespace

void watch_stop_signals() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool stop_requested() {
  return stop.load();
}

void throw_if_stopped(const std::string& state) {
  if (stop_requested()) throw Interrupted("stopped by a signal; " + state);
}

}  // namespace pulmo::pipeline
