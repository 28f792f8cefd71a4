#include "core/image/deep_stack.h"

#include <pthread.h>

#include <cstring>
#include <exception>
#include <string>

#include "core/support/error.h"

namespace pulmo {
namespace {

struct Job {
  const std::function<void()>& body;
  std::exception_ptr failure;
};

void* run_job(void* argument) {
  auto& job = *static_cast<Job*>(argument);
  try {
    job.body();
  } catch (...) {
    job.failure = std::current_exception();
  }
  return nullptr;
}

}  // namespace

void run_with_stack(std::size_t stack_bytes, const std::function<void()>& body) {
  Job job{body, nullptr};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_t thread{};
  int failed = pthread_attr_setstacksize(&attributes, stack_bytes);
  if (failed == 0) {
    failed = pthread_create(&thread, &attributes, run_job, &job);
  }
  pthread_attr_destroy(&attributes);
  if (failed != 0) {
    throw IoError("no thread with a stack of " + std::to_string(stack_bytes) + " bytes: " + std::strerror(failed));
  }
  pthread_join(thread, nullptr);
  if (job.failure) {
    std::rethrow_exception(job.failure);
  }
}

}  // namespace pulmo
