#include "core/support/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/support/atomic_file.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

/// Puts back what this thread may run on.
class KeptAffinity {
 public:
  KeptAffinity() { ::sched_getaffinity(0, sizeof set_, &set_); }
  ~KeptAffinity() { ::sched_setaffinity(0, sizeof set_, &set_); }
  KeptAffinity(const KeptAffinity&) = delete;
  KeptAffinity& operator=(const KeptAffinity&) = delete;

 private:
  cpu_set_t set_{};
};

TEST(UsableProcessors, AreThoseThatTheProcessMayRunOn) {
  const KeptAffinity kept;
  const std::vector<int> all = allowed_processors();
  EXPECT_EQ(usable_processors("/nonexistent"), static_cast<int>(all.size()));
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(all.back(), &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(allowed_processors(), std::vector<int>{all.back()});
  EXPECT_EQ(usable_processors("/nonexistent"), 1);
}

TEST(UsableProcessors, AreNoMoreThanTheControlGroupHasTimeFor) {
  const testing::TempDir dir;
  const int all = static_cast<int>(allowed_processors().size());
  const auto with = [&](const std::string& text) {
    write_file_atomically(dir / "cpu.max", text);
    return usable_processors(dir / "cpu.max");
  };
  EXPECT_EQ(with("max 100000\n"), all);
  EXPECT_EQ(with("50000 100000\n"), 1);
  EXPECT_EQ(with("100000 100000\n"), 1);
  EXPECT_EQ(with("150000 100000\n"), std::min(2, all));
  EXPECT_EQ(with("99900000 100000\n"), all);
  EXPECT_EQ(with("nonsense\n"), all);
}

#ifdef __x86_64__
TEST(ProcessorLevel, IsWhatTheSystemSaysOfTheProcessor) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string line;
  while (std::getline(cpuinfo, line) && line.rfind("flags", 0) != 0) {
  }
  std::istringstream words(line);
  const std::set<std::string> flags{std::istream_iterator<std::string>(words), {}};
  ASSERT_TRUE(flags.contains("sse2")) << line;
  const auto all = [&](std::initializer_list<const char*> wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const char* flag) { return flags.contains(flag); });
  };
  const bool v3 = all({"avx2", "fma", "bmi1", "bmi2"});
  const bool v4 = v3 && all({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  EXPECT_EQ(processor_level(), v4 ? ProcessorLevel::kV4 : v3 ? ProcessorLevel::kV3 : ProcessorLevel::kAny);
}
#endif

}  // namespace
}  // namespace pulmo
