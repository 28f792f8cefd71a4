#include "serving/isolation/confinement.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "core/support/error.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PULMO_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PULMO_SANITIZED 1
#endif
#endif

namespace pulmo::serving {
namespace {

#ifdef PULMO_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

[[noreturn]] void fail(const std::string& what, int error) {
  throw IoError("a decoder process cannot be confined: " + what + ": " + std::strerror(error) +
                "; where the kernel forbids it, decode.isolation=none decodes inside the server");
}

std::uint64_t address_space_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  if (!(statm >> pages)) fail("/proc/self/statm", EIO);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void limit(__rlimit_resource resource, rlim_t value, const char* what) {
  const rlimit both{value, value};
  if (::setrlimit(resource, &both) != 0) fail(what, errno);
}

void set_limits(const Confinement& confinement) {
  const std::uint64_t present_bytes = address_space_bytes();  // while a file can still be opened
  limit(RLIMIT_CORE, 0, "core size");                         // a core would hold a patient's picture
  limit(RLIMIT_FSIZE, 0, "file size");
  limit(RLIMIT_CPU, static_cast<rlim_t>(confinement.cpu_time.count()), "processor time");
  // A sanitizer opens pipes to try addresses, and reserves terabytes for its shadow.
  if (!kSanitized) limit(RLIMIT_NOFILE, 0, "open files");
  if (!kSanitized) limit(RLIMIT_AS, present_bytes + confinement.memory_bytes, "address space");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs", errno);
  if (!kSanitized && ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) fail("dumpable", errno);
}

/// A seccomp filter in the making: what no rule names kills the process.
class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_KILL_PROCESS)) {
    if (context_ == nullptr) fail("seccomp filter", ENOMEM);
    // All threads: a library may have started some when it was loaded.
    const int failed = ::seccomp_attr_set(context_, SCMP_FLTATR_CTL_TSYNC, 1);
    if (failed != 0) fail("seccomp for all threads", -failed);
  }
  ~Filter() { ::seccomp_release(context_); }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  void allow(int call) { check(::seccomp_rule_add(context_, SCMP_ACT_ALLOW, call, 0), call); }
  void allow_if(int call, const scmp_arg_cmp& argument) {
    check(::seccomp_rule_add(context_, SCMP_ACT_ALLOW, call, 1, argument), call);
  }
  void answer(int call, int error) {
    check(::seccomp_rule_add(context_, SCMP_ACT_ERRNO(static_cast<std::uint32_t>(error)), call, 0), call);
  }
  void load() {
    const int failed = ::seccomp_load(context_);
    if (failed != 0) fail("seccomp", -failed);
  }

 private:
  static void check(int failed, int call) {
    if (failed != 0) fail("seccomp rule for system call " + std::to_string(call), -failed);
  }
  scmp_filter_ctx context_;
};

scmp_arg_cmp equals(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}

/// None of `bits` is set.
scmp_arg_cmp lacks(unsigned argument, std::uint64_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}

void allow_calls(Filter& filter, int socket) {
  // memory, never executable
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) filter.allow_if(call, lacks(2, PROT_EXEC));
  for (const int call : {SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise)}) filter.allow(call);
  // the way to the server
  for (const int call : {SCMP_SYS(read), SCMP_SYS(write)}) {
    filter.allow_if(call, equals(0, static_cast<std::uint64_t>(socket)));
  }
  // a library's last words, on what is /dev/null here: what then ends the process is the fault, not the word
  for (const int call : {SCMP_SYS(write), SCMP_SYS(writev)}) filter.allow_if(call, equals(0, STDERR_FILENO));
  // threads of this process; of clone3 the flags cannot be seen, and without it clone is used
  constexpr std::uint64_t kThread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
  filter.allow_if(SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, kThread, kThread});
  filter.answer(SCMP_SYS(clone3), ENOSYS);
  for (const int call : {SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
                         SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(exit), SCMP_SYS(exit_group)}) {
    filter.allow(call);
  }
  // abort() of a library's assertion
  filter.allow_if(SCMP_SYS(tgkill), equals(0, static_cast<std::uint64_t>(::getpid())));
  for (const int call :
       {SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall)}) {
    filter.allow(call);
  }
  // time and chance
  for (const int call : {SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom)}) filter.allow(call);
}

/// Libraries look for optional files and for the number of processors; they go on without.
void answer_calls(Filter& filter) {
  for (const int call : {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(stat),
                         SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(readlink),
                         SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(sched_getaffinity), SCMP_SYS(sysinfo)}) {
    filter.answer(call, EACCES);
  }
}

}  // namespace

bool confinement_is_complete() {
  return !kSanitized;
}

void confine(const Confinement& confinement) {
  set_limits(confinement);
  if (kSanitized) return;
  Filter filter;
  allow_calls(filter, confinement.socket);
  answer_calls(filter);
  filter.load();
}

}  // namespace pulmo::serving
