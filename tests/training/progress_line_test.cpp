#include "training/progress_line.h"

#include <gmock/gmock.h>

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProgressLine, TellsWhereTheRunIsAndHowLongItWillTake) {
  EXPECT_EQ(progress_text({3, 12, 60, 120, 0.51234, 94.4, 725.0}),
            "epoch 3/12 [==========>         ] 60/120  loss 0.5123  94 img/s  12:05 left");
}

TEST(ProgressLine, BarIsFullAtTheEnd) {
  EXPECT_EQ(progress_text({1, 1, 5, 5, 0.0, 1.0, 0.0}),
            "epoch 1/1 [====================] 5/5  loss 0.0000  1 img/s  00:00 left");
}

TEST(ProgressLine, TellsOfOutlinesAfterAnEpochThatLearntThem) {
  const auto told = [](const EpochRecord& record) {
    ::testing::internal::CaptureStderr();
    ProgressLine(ProgressStyle::kPlain).epoch(record, 3);
    return ::testing::internal::GetCapturedStderr();
  };
  EpochRecord record{.epoch = 2, .train_loss = 0.5, .best = true};
  EXPECT_THAT(told(record), HasSubstr("epoch done epoch=2/3 train_loss=0.5000 "));
  EXPECT_THAT(told(record), Not(HasSubstr("outline")));
  record.outlines = {1.5, 1.25, 0.375};
  EXPECT_THAT(told(record),
              HasSubstr("best=yes outline_loss=1.5000 validation_outline_loss=1.2500 validation_dice=0.3750\n"));
}

TEST(ProgressLine, ClockGrowsHoursWhenNeeded) {
  EXPECT_EQ(clock_text(59.6), "01:00");
  EXPECT_EQ(clock_text(3725.0), "1:02:05");
  EXPECT_EQ(clock_text(-1.0), "00:00");
}

}  // namespace
}  // namespace pulmo::training
