#include "core/image/row_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "core/image/gaussian.h"
#include "core/image/row_kernels_variant.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

constexpr std::size_t kCounts[] = {1, 15, 16, 31, 64, 65, 127, 200, 512};

std::vector<float> noise(std::size_t count, double low, double high) {
  Random random(derive_seed(count, "noise"));
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(low + (high - low) * random.uniform());
  return values;
}

std::vector<std::uint8_t> bytes(std::size_t count, unsigned below = 256) {
  Random random(derive_seed(count, "bytes"));
  std::vector<std::uint8_t> values(count);
  for (std::uint8_t& value : values) value = static_cast<std::uint8_t>(random.below(below));
  return values;
}

/// The variants that this processor runs.
class RowKernelVariants : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "best") variant_ = row_kernels();
#ifdef __x86_64__
    if (GetParam() == "v3") {
      if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2")) GTEST_SKIP() << "no AVX2 here";
      variant_ = row_kernels_v3();
    }
#endif
  }

  RowKernels any_ = row_kernels_any();
  RowKernels variant_ = row_kernels_any();
};

TEST_P(RowKernelVariants, ConvertStoredValuesAlike) {
  for (const std::size_t count : kCounts) {
    const std::vector<std::uint8_t> stored = bytes(4 * count);
    for (const int size : {1, 2, 4}) {
      for (const bool is_signed : {false, true}) {
        for (const bool exact : {false, true}) {
          StoredValues format;
          format.bytes = size;
          format.is_signed = is_signed;
          format.up = format.down = static_cast<unsigned>(32 - std::min(8 * size, 20));
          format.padding_low = -5;
          format.padding_high = 5;
          format.padding_hu = -1000.0F;
          format.slope = exact ? 2.0 : 1.37;
          format.intercept = -1024.0;
          format.exact_in_float = exact;
          std::vector<float> expected(count), actual(count);
          any_.to_hounsfield(stored.data(), format, count, expected.data());
          variant_.to_hounsfield(stored.data(), format, count, actual.data());
          EXPECT_EQ(actual, expected) << count << " values of " << size << " bytes";
        }
      }
    }
  }
}

TEST_P(RowKernelVariants, WindowAndSumAlike) {
  constexpr std::size_t kReach = 3;
  const std::array<float, kReach + 1> weights = {0.4F, 0.2F, 0.07F, 0.03F};
  for (const std::size_t count : kCounts) {
    const std::vector<float> in = noise(count + 2 * kReach, -1500.0, 900.0);
    std::vector<float> expected(count), actual(count);
    EXPECT_TRUE(any_.window(in.data(), 1.0F / 1400.0F, 5.0F / 7.0F, count, expected.data()));
    EXPECT_TRUE(variant_.window(in.data(), 1.0F / 1400.0F, 5.0F / 7.0F, count, actual.data()));
    EXPECT_EQ(actual, expected) << count;
    std::vector<const float*> rows;
    for (std::size_t k = 0; k <= 2 * kReach; ++k) rows.push_back(in.data() + k);
    any_.symmetric_sum(weights.data(), kReach, rows.data(), count, expected.data());
    variant_.symmetric_sum(weights.data(), kReach, rows.data(), count, actual.data());
    EXPECT_EQ(actual, expected) << count;
    any_.add_share(in.data(), 0.3F, count, expected.data());
    variant_.add_share(in.data(), 0.3F, count, actual.data());
    EXPECT_EQ(actual, expected) << count;
  }
}

TEST_P(RowKernelVariants, FindValuesThatAreNotFinite) {
  for (const float strange : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity()}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{64}}) {
      std::vector<float> in = noise(65, 0.0, 1.0);
      std::vector<float> out(in.size());
      EXPECT_TRUE(variant_.window(in.data(), 1.0F, 0.0F, in.size(), out.data()));
      in[at] = strange;
      EXPECT_FALSE(variant_.window(in.data(), 1.0F, 0.0F, in.size(), out.data())) << strange << " at " << at;
    }
  }
}

TEST_P(RowKernelVariants, FindExtremesAndBinsAlike) {
  for (const std::size_t count : kCounts) {
    const std::vector<float> in = noise(count, -0.1, 1.1);
    float low = in[0], high = in[0];
    variant_.extremes(in.data(), count, &low, &high);
    EXPECT_EQ(low, *std::min_element(in.begin(), in.end())) << count;
    EXPECT_EQ(high, *std::max_element(in.begin(), in.end())) << count;
    std::vector<std::uint8_t> bins(count);
    variant_.to_bins(in.data(), count, bins.data());
    for (std::size_t x = 0; x < count; ++x) {
      EXPECT_EQ(bins[x], std::clamp(static_cast<int>(in[x] * 256.0F), 0, 255)) << in[x];
    }
  }
}

TEST_P(RowKernelVariants, MeasureDistancesOfBytesAlike) {
  constexpr std::size_t kRadius = 5;
  const std::array<std::uint8_t, kRadius + 1> heights = {5, 4, 4, 4, 3, 0};
  for (const std::size_t count : {std::size_t{32}, std::size_t{96}, std::size_t{224}}) {
    const std::vector<std::uint8_t> distance = bytes(count + 2 * kRadius, 60);
    std::vector<std::uint8_t> expected(count), actual(count);
    any_.within_disk(distance.data() + kRadius, heights.data(), kRadius, count, expected.data());
    variant_.within_disk(distance.data() + kRadius, heights.data(), kRadius, count, actual.data());
    EXPECT_EQ(actual, expected);
    expected = actual = bytes(count, 2);
    any_.distance_down(distance.data(), 255, count, expected.data());
    variant_.distance_down(distance.data(), 255, count, actual.data());
    EXPECT_EQ(actual, expected);
    any_.distance_up(distance.data() + kRadius, count, expected.data());
    variant_.distance_up(distance.data() + kRadius, count, actual.data());
    EXPECT_EQ(actual, expected);
  }
}

TEST_P(RowKernelVariants, StopDistancesAtTheirLimit) {
  const std::vector<std::uint8_t> above = {0, 3, 253, 254, 255};
  std::vector<std::uint8_t> here = {0, 1, 0, 0, 0};
  variant_.distance_down(above.data(), 255, here.size(), here.data());
  EXPECT_EQ(here, (std::vector<std::uint8_t>{1, 0, 254, 255, 255}));
  std::vector<std::uint8_t> up = {9, 2, 255, 255, 255};
  variant_.distance_up(above.data(), up.size(), up.data());
  EXPECT_EQ(up, (std::vector<std::uint8_t>{1, 2, 254, 255, 255}));
}

TEST_P(RowKernelVariants, CountWordsAtAnyPlace) {
  const std::array<std::uint8_t, 4> first = {0xFE, 0xFF, 0x00, 0xE0};
  const std::array<std::uint8_t, 4> second = {0xFF, 0xFE, 0xE0, 0x00};
  for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{4}, std::size_t{40}, std::size_t{20000}}) {
    std::vector<std::uint8_t> data(size, 0xFF);
    std::size_t expected = 0;
    for (std::size_t at = 0; at + 4 <= size; at += 11) {
      std::copy_n((expected % 3 == 0 ? second : first).begin(), 4, data.begin() + static_cast<std::ptrdiff_t>(at));
      ++expected;
    }
    EXPECT_EQ(variant_.count_words(data.data(), size, first.data(), second.data()), expected) << size;
  }
  const std::vector<std::uint8_t> many(std::size_t{1} << 16U, 0);  // every place counts: more than a byte holds
  const std::array<std::uint8_t, 4> zeros{};
  EXPECT_EQ(variant_.count_words(many.data(), many.size(), zeros.data(), zeros.data()), many.size() - 3);
}

INSTANTIATE_TEST_SUITE_P(Processor, RowKernelVariants, ::testing::Values("any", "v3", "best"),
                         [](const auto& instance) { return instance.param; });

TEST(GaussianFiltered, GivesWhatOpenCvGives) {
  for (const auto& [size, sigma] : {std::pair{cv::Size(512, 512), 1.0}, std::pair{cv::Size(200, 77), 2.3},
                                    std::pair{cv::Size(16, 17), 1.0}, std::pair{cv::Size(16, 16), 3.9}}) {
    const std::vector<float> values = noise(static_cast<std::size_t>(size.area()), 0.0, 1.0);
    const cv::Mat picture(size, CV_32FC1, const_cast<float*>(values.data()));
    const cv::Mat kernel = cv::getGaussianKernel(2 * static_cast<int>(4.0 * sigma + 0.5) + 1, sigma, CV_64F);
    cv::Mat expected;
    cv::sepFilter2D(picture, expected, CV_64F, kernel, kernel, {-1, -1}, 0.0, cv::BORDER_REFLECT);
    expected.convertTo(expected, CV_32F);
    const cv::Mat actual =
        gaussian_filtered(size, sigma, [&](int y, float* out) { std::copy_n(picture.ptr<float>(y), size.width, out); });
    EXPECT_LT(cv::norm(actual, expected, cv::NORM_INF), 2e-6) << size << " " << sigma;
  }
}

TEST(GaussianFiltered, LeavesThePictureWhereSigmaIs0) {
  const std::vector<float> values = noise(20 * 30, 0.0, 1.0);
  const cv::Mat actual =
      gaussian_filtered({30, 20}, 0.0, [&](int y, float* out) { std::copy_n(values.data() + 30 * y, 30, out); });
  EXPECT_TRUE(std::equal(values.begin(), values.end(), actual.ptr<float>()));
}

/// The filter reaches further than the picture: the mirror is mirrored again.
TEST(GaussianFiltered, ReachesBeyondASmallPicture) {
  const cv::Mat actual = gaussian_filtered({16, 16}, 20.0, [](int, float* out) { std::fill_n(out, 16, 0.25F); });
  EXPECT_LT(cv::norm(actual, cv::Mat(16, 16, CV_32FC1, cv::Scalar(0.25)), cv::NORM_INF), 1e-6);
}

}  // namespace
}  // namespace pulmo
