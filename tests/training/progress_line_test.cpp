#include "training/progress_line.h"

#include <gtest/gtest.h>

namespace pulmo::training {
namespace {

TEST(ProgressLine, TellsWhereTheRunIsAndHowLongItWillTake) {
  EXPECT_EQ(progress_text({3, 12, 60, 120, 0.51234, 94.4, 725.0}),
            "epoch 3/12 [==========>         ] 60/120  loss 0.5123  94 img/s  12:05 left");
}

TEST(ProgressLine, BarIsFullAtTheEnd) {
  EXPECT_EQ(progress_text({1, 1, 5, 5, 0.0, 1.0, 0.0}),
            "epoch 1/1 [====================] 5/5  loss 0.0000  1 img/s  00:00 left");
}

TEST(ProgressLine, ClockGrowsHoursWhenNeeded) {
  EXPECT_EQ(clock_text(59.6), "01:00");
  EXPECT_EQ(clock_text(3725.0), "1:02:05");
  EXPECT_EQ(clock_text(-1.0), "00:00");
}

}  // namespace
}  // namespace pulmo::training
