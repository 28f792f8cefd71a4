#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace pulmo::testing {
namespace {

std::filesystem::path make_temp_file() {
  std::string pattern = (std::filesystem::temp_directory_path() / "pulmo-out-XXXXXX").string();
  const int descriptor = ::mkstemp(pattern.data());
  if (descriptor < 0) throw std::runtime_error("cannot create " + pattern);
  ::close(descriptor);
  return pattern;
}

std::string content_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void redirect(const std::filesystem::path& file, int target) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_TRUNC);
  ::dup2(descriptor, target);
  ::close(descriptor);
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, const std::vector<std::string>& environment)
    : out_file_(make_temp_file()), err_file_(make_temp_file()) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    for (const std::string& entry : environment) ::putenv(const_cast<char*>(entry.c_str()));
    redirect("/dev/null", STDIN_FILENO);
    redirect(out_file_, STDOUT_FILENO);
    redirect(err_file_, STDERR_FILENO);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
}

Process::~Process() {
  if (running()) {
    ::kill(pid_, SIGKILL);
    reap(0);
  }
  std::error_code ignored;
  std::filesystem::remove(out_file_, ignored);
  std::filesystem::remove(err_file_, ignored);
}

bool Process::reap(int flags) {
  if (ended_) return true;
  int status = 0;
  if (::waitpid(pid_, &status, flags) != pid_) return false;
  ended_ = true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

bool Process::running() {
  return !reap(WNOHANG);
}

void Process::signal(int number) const {
  ::kill(pid_, number);
}

ProcessResult Process::wait(std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (running()) {
    if (std::chrono::steady_clock::now() > deadline) {
      ::kill(pid_, SIGKILL);
      reap(0);
      throw std::runtime_error("the process did not end in time; it printed:\n" + out() + err());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return {exit_code_, out(), err()};
}

std::string Process::out() const {
  return content_of(out_file_);
}
std::string Process::err() const {
  return content_of(err_file_);
}

ProcessResult run_process(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                          std::chrono::seconds limit) {
  return Process(argv, environment).wait(limit);
}

}  // namespace pulmo::testing
