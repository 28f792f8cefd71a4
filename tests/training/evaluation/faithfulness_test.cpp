#include "training/evaluation/faithfulness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <opencv2/core.hpp>

namespace pulmo::training {
namespace {

struct Areas {
  double deletion, insertion;
};
Areas areas_of(const Predictor& model, const cv::Mat& image, std::size_t k, const std::vector<int>& order) {
  const Curves curves = curves_of(model, image, k, order);
  EXPECT_EQ(curves.deletion.size(), static_cast<std::size_t>(kCurveSteps + 1));
  return {area_under(curves.deletion), area_under(curves.insertion)};
}

using ::testing::HasSubstr;

constexpr int kSize = 10;  // 100 pixels: 5 in each of the 20 steps
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Looks at ten known pixels alone, those of row 3. p(1) is their mean, or the share of those that are white.
class RowOfPixels final : public Predictor {
 public:
  explicit RowOfPixels(bool whites, std::int64_t depth = 0) : whites_(whites) {
    metadata_.class_names = {"benign", "malignant"};
    metadata_.depth = depth;
  }

  std::vector<double> predict(const ImageBatch& batch) const override {
    const auto slices = static_cast<std::size_t>(std::max<std::int64_t>(1, batch.depth));
    const std::size_t first = (slices - 1) / 2 * kSize * kSize + 3 * kSize;
    std::vector<double> probabilities;
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch.count); ++i) {
      double p = 0.0;
      for (std::size_t x = 0; x < kSize; ++x) {
        const std::uint16_t pixel = batch.pixels.at(i * slices * kSize * kSize + first + x);
        p += (whites_ ? (pixel == 65535 ? 1.0 : 0.0) : pixel / 65535.0) / kSize;
      }
      probabilities.insert(probabilities.end(), {1.0 - p, p});
    }
    return probabilities;
  }
  const BundleMetadata& metadata() const override { return metadata_; }
  const std::string& sha256() const override { return sha256_; }

 private:
  bool whites_;
  BundleMetadata metadata_;
  std::string sha256_;
};

/// White in row 3, black elsewhere.
cv::Mat picture() {
  cv::Mat image = cv::Mat::zeros(kSize, kSize, CV_16UC1);
  image.row(3) = 65535;
  return image;
}

/// 1 where the model looks.
cv::Mat perfect_map() {
  cv::Mat map = cv::Mat::zeros(kSize, kSize, CV_32FC1);
  map.row(3) = 1.0;
  return map;
}

TEST(CurveAreas, ThePerfectMapIsBestAndTheReversedOneWorst) {
  for (const std::int64_t depth : {0, 5}) {
    const RowOfPixels model(true, depth);
    const Areas best = areas_of(model, picture(), 1, order_of(perfect_map(), 1));
    const Areas worst = areas_of(model, picture(), 1, order_of(-perfect_map(), 1));
    // np.trapz([1, .5] + 19 * [0]) / 20, np.trapz([0, .5] + 19 * [1]) / 20: two steps hold the ten pixels.
    EXPECT_NEAR(best.deletion, 0.05, 1e-12);
    EXPECT_NEAR(best.insertion, 0.95, 1e-12);
    // np.trapz(19 * [1] + [.5, 0]) / 20, np.trapz(19 * [0] + [.5, 1]) / 20
    EXPECT_NEAR(worst.deletion, 0.95, 1e-12);
    EXPECT_NEAR(worst.insertion, 0.05, 1e-12);
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const Areas random = areas_of(model, picture(), 1, order_of(cv::Mat::ones(kSize, kSize, CV_32FC1), seed));
      EXPECT_GT(random.deletion, best.deletion);
      EXPECT_LT(random.deletion, worst.deletion);
      EXPECT_LT(random.insertion, best.insertion);
      EXPECT_GT(random.insertion, worst.insertion);
    }
  }
}

TEST(CurveAreas, ThePixelsOfAStackMakeOneOrder) {
  const RowOfPixels model(true, 4);  // looks at the first of two slices
  cv::Mat stack, map;
  cv::vconcat(picture(), cv::Mat::zeros(kSize, kSize, CV_16UC1), stack);
  cv::vconcat(perfect_map(), cv::Mat::zeros(kSize, kSize, CV_32FC1), map);
  // np.trapz([1] + 20 * [0]) / 20 and the reverse: ten of 200 pixels are one step.
  const Areas best = areas_of(model, stack, 1, order_of(map, 1));
  EXPECT_NEAR(best.deletion, 0.025, 1e-12);
  EXPECT_NEAR(best.insertion, 0.975, 1e-12);
}

TEST(CurveAreas, TheSlicesOfAStackAreNotBlurredIntoEachOther) {
  const RowOfPixels model(false, 4);
  const auto begin = [&](double second) {
    cv::Mat stack;
    cv::vconcat(picture(), cv::Mat(kSize, kSize, CV_16UC1, cv::Scalar(second)), stack);
    return curves_of(model, stack, 1, order_of(cv::Mat::ones(2 * kSize, kSize, CV_32FC1), 1)).insertion.front();
  };
  EXPECT_EQ(begin(0.0), begin(65535.0));
  EXPECT_NEAR(begin(0.0), curves_of(RowOfPixels(false), picture(), 1, order_of(perfect_map(), 1)).insertion.front(),
              1e-12);
}

TEST(CurveAreas, DeletedPixelsHaveThePicturesMean) {
  const RowOfPixels model(false);
  // m = round(6553.5) / 65535; np.trapz([1, .5 + .5 * m] + 19 * [m]) / 20, and of the other class 1 minus that.
  const double m = 6554.0 / 65535.0;
  EXPECT_NEAR(areas_of(model, picture(), 1, order_of(perfect_map(), 1)).deletion, (1.0 + 19.0 * m) / 20.0, 1e-12);
  EXPECT_NEAR(areas_of(model, picture(), 0, order_of(perfect_map(), 1)).deletion, 1 - (1 + 19 * m) / 20, 1e-12);
}

TEST(OrderOf, GoesByFallingValueAndDrawsEqualOnes) {
  cv::Mat map = cv::Mat::zeros(4, 6, CV_32FC1);
  map.at<float>(2, 1) = 3.0F;
  map.at<float>(3, 5) = 2.0F;
  const std::vector<int> order = order_of(map, 7);
  EXPECT_EQ(order[0], 2 * 6 + 1);
  EXPECT_EQ(order[1], 3 * 6 + 5);
  EXPECT_FALSE(std::is_sorted(order.begin() + 2, order.end()));
  EXPECT_EQ(order, order_of(map, 7));
  EXPECT_NE(order, order_of(map, 8));
  std::vector<int> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<int> all(24);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
}

TEST(OrderOf, TheCentreComesFirst) {
  const cv::Mat closeness = closeness_to_centre({5, 3});
  EXPECT_FLOAT_EQ(closeness.at<float>(1, 2), 0.0F);
  EXPECT_FLOAT_EQ(closeness.at<float>(0, 0), -std::sqrt(5.0F));
  EXPECT_EQ(order_of(closeness, 1).front(), 1 * 5 + 2);
}

TEST(ShareInside, IsTheMapsShareInTheOutline) {
  cv::Mat outline = cv::Mat::zeros(kSize, kSize, CV_8UC1);
  outline(cv::Rect(0, 3, 4, 2)) = 2;  // four of the ten pixels of row 3, and four where the map is 0
  EXPECT_NEAR(share_inside(perfect_map(), outline), 0.4, 1e-6);
  EXPECT_NEAR(share_inside(cv::Mat::ones(kSize, kSize, CV_32FC1), outline), 0.08, 1e-6);
  EXPECT_TRUE(std::isnan(share_inside(perfect_map(), cv::Mat::zeros(kSize, kSize, CV_8UC1))));
  EXPECT_TRUE(std::isnan(share_inside(cv::Mat::zeros(kSize, kSize, CV_32FC1), outline)));
  EXPECT_TRUE(std::isnan(share_inside(perfect_map(), {})));
}

std::vector<MethodSummary> some_summaries() {
  return summarise({{"grad_cam", {0.1, 0.2, 0.6}, {0.9, 0.8, 0.4}, {kNan, 0.5, 0.7}},
                    {kCentreOrder, {0.3, 0.3, 0.3}, {0.6, 0.6, 0.6}, {kNan, kNan, kNan}}},
                   {"a", "a", "b"}, {200, 0.95, 1});
}

TEST(Summarise, MeansOverSamplesWithIntervalsOverPatients) {
  const std::vector<MethodSummary> summaries = some_summaries();
  const MethodSummary& map = summaries.at(0);
  EXPECT_NEAR(map.deletion.mean, 0.3, 1e-12);
  EXPECT_NEAR(map.insertion.mean, 0.7, 1e-12);
  EXPECT_NEAR(map.inside.mean, 0.6, 1e-12);
  EXPECT_EQ(map.n, 3U);
  EXPECT_EQ(map.n_inside, 2U);
  // Two patients: resamples hold a alone (mean 0.15), b alone (0.6) or both.
  EXPECT_NEAR(map.deletion.interval.low, 0.15, 1e-12);
  EXPECT_NEAR(map.deletion.interval.high, 0.6, 1e-12);
  EXPECT_NEAR(map.deletion_to_centre.mean, 0.0, 1e-12);
  EXPECT_NEAR(map.insertion_to_centre.mean, 0.1, 1e-12);
  EXPECT_NEAR(map.insertion_to_centre.interval.low, -0.2, 1e-12);
  EXPECT_NEAR(map.insertion_to_centre.interval.high, 0.25, 1e-12);
  EXPECT_EQ(summaries.at(1).n_inside, 0U);
  EXPECT_TRUE(std::isnan(summaries.at(1).inside.mean));
}

TEST(Summarise, IsToldAsTableAndAsJson) {
  const FaithfulnessFacts facts{"proposed_cnn", "test", "b", "d", true, 3, 9, 2, {200, 0.95, 1}};
  const std::string table = to_markdown(facts, some_summaries());
  EXPECT_THAT(table, HasSubstr("0.300 [0.150, 0.600]"));
  EXPECT_THAT(table, HasSubstr("3 of 9 test samples, 2 patients"));
  EXPECT_THAT(table, HasSubstr("synthetic phantom"));
  const auto json = nlohmann::json::parse(to_json(facts, some_summaries()));
  EXPECT_EQ(json.at("samples_in_split"), 9);
  EXPECT_NEAR(json.at("methods").at(0).at("inside").at("mean").get<double>(), 0.6, 1e-12);
  EXPECT_TRUE(json.at("methods").at(1).at("inside").at("mean").is_null());
}

}  // namespace
}  // namespace pulmo::training
