#include "serving/isolation/confinement.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <new>
#include <thread>
#include <vector>

namespace pulmo::serving {
namespace {

constexpr int kHarmless = 42;
constexpr std::uint64_t kMemory = std::uint64_t{64} << 20U;

/// Runs `body` in a process of its own that confine() has closed, its descriptors 3 and 4 a socket pair; gives the
/// status of waitpid(). The body ends by itself or by returning, which exits with kHarmless.
int status_of_confined(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int pair[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) std::_Exit(1);
    const int mine = ::dup2(pair[0], 60);
    ::dup2(pair[1], 61);
    try {
      confine({kMemory, std::chrono::seconds(2), mine});
      body();
      std::_Exit(kHarmless);
    } catch (...) {
      std::_Exit(9);
    }
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

class ConfinementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!confinement_is_complete()) GTEST_SKIP() << "a sanitizer's runtime needs what is forbidden";
  }
  static void expect_killed(const std::function<void()>& body) {
    const int status = status_of_confined(body);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << status;
  }
  static void expect_harmless(const std::function<void()>& body) {
    const int status = status_of_confined(body);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == kHarmless) << status;
  }
};

TEST_F(ConfinementTest, LetsAProcessComputeAndSpeakToTheServer) {
  expect_harmless([] {
    std::vector<int> numbers(1'000'000, 1);
    const char word = 'x';
    if (::write(60, &word, 1) != 1) std::_Exit(1);
    std::thread([&numbers] { numbers[0] = 2; }).join();
    if (numbers[0] != 2) std::_Exit(2);
    try {
      throw std::runtime_error("exceptions need no system call");
    } catch (const std::exception&) {
    }
  });
}

TEST_F(ConfinementTest, KillsWhatOpensASocket) {
  expect_killed([] { ::socket(AF_INET, SOCK_STREAM, 0); });
}

TEST_F(ConfinementTest, KillsWhatStartsAProgram) {
  expect_killed([] { ::execl("/bin/true", "true", nullptr); });
}

TEST_F(ConfinementTest, KillsWhatStartsAProcess) {
  expect_killed([] { ::fork(); });
}

TEST_F(ConfinementTest, KillsWhatSignalsOthers) {
  expect_killed([] { ::kill(::getppid(), SIGTERM); });
}

TEST_F(ConfinementTest, KillsWhatReadsOrWritesAnotherDescriptor) {
  expect_killed([] {
    char word = 'x';
    if (::write(61, &word, 1) == 1) std::_Exit(1);
  });
  expect_killed([] {
    char word = 'x';
    if (::read(0, &word, 1) == 1) std::_Exit(1);
  });
}

TEST_F(ConfinementTest, KillsWhatMakesMemoryExecutable) {
  expect_killed([] { ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); });
  expect_killed([] {
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::mprotect(page, 4096, PROT_READ | PROT_EXEC);
  });
}

TEST_F(ConfinementTest, OpensNoFile) {
  expect_harmless([] {
    if (::open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES) std::_Exit(1);
    if (::open("/tmp/pulmo-confined", O_CREAT | O_WRONLY, 0600) >= 0) std::_Exit(2);
  });
}

TEST_F(ConfinementTest, LimitsMemory) {
  expect_harmless([] {
    const std::vector<char> fits(16 << 20U, 'x');
    try {
      const std::vector<char> too_much(2 * kMemory, 'x');
      std::_Exit(too_much[1] == 'x' ? 1 : 2);
    } catch (const std::bad_alloc&) {
    }
  });
}

TEST_F(ConfinementTest, LimitsProcessorTime) {
  const int status = status_of_confined([] {
    for (volatile bool turning = true; turning;) {
    }
  });
  EXPECT_TRUE(WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU)) << status;
}

}  // namespace
}  // namespace pulmo::serving
