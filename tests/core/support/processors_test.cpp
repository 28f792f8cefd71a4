#include "core/support/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

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

}  // namespace
}  // namespace pulmo
