#include "training/feature_store.h"

#include <gtest/gtest.h>

#include "core/model/features.h"
#include "tests/training/small_run.h"

namespace pulmo::training {
namespace {

std::vector<float> features_of(const Dataset& dataset, std::int64_t index) {
  cv::Mat image(static_cast<int>(dataset.shape().height), static_cast<int>(dataset.shape().width), CV_16UC1);
  dataset.read_image(index, std::span(image.ptr<std::uint16_t>(), image.total()));
  return extract_features(image);
}

TEST(FeatureStore, ExtractsEachSampleOnceWhateverSetsItIsIn) {
  const Communicator alone = Communicator::alone();
  const testing::SmallRun run(alone, {.size_px = 32, .patients = 12});
  const PreparedData& data = run.data();
  FeatureStore store(2, alone);
  EXPECT_EQ(store.seconds_per_sample(), 0.0);
  store.of(data.train);
  EXPECT_EQ(store.extracted(), data.train.size());
  EXPECT_GT(store.seconds_per_sample(), 0.0);

  // A fold's part: some patients of the training part, one of the test part.
  const std::set<std::string> patients = {data.train.patient(0), data.train.patient(data.train.size() - 1),
                                          data.test.patient(0)};
  const Dataset mixed = Dataset::of_patients(Split::kTest, {&data.train, &data.validation, &data.test}, patients);
  const std::int64_t new_ones = [&] {
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < mixed.size(); ++i) count += mixed.patient(i) == data.test.patient(0) ? 1 : 0;
    return count;
  }();
  const cv::Mat rows = store.of(mixed);
  EXPECT_EQ(store.extracted(), data.train.size() + new_ones);
  ASSERT_EQ(rows.rows, mixed.size());
  for (std::int64_t i = 0; i < mixed.size(); ++i) {
    const float* row = rows.ptr<float>(static_cast<int>(i));
    EXPECT_EQ(std::vector<float>(row, row + rows.cols), features_of(mixed, i)) << i;
  }
}

}  // namespace
}  // namespace pulmo::training
