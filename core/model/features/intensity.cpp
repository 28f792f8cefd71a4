#include "core/model/features/intensity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect.hpp>

namespace pulmo::features {
namespace {

constexpr std::size_t kBins = 16;
constexpr std::size_t kBinWidth = 65536 / kBins;
constexpr double kTruncate = 4.0;  // kernels reach four standard deviations
constexpr int kHogSide = 64;

/// How many lung pixels have each of the 65536 values.
std::vector<std::uint32_t> count_values(const cv::Mat& image, const cv::Mat& lungs) {
  std::vector<std::uint32_t> counts(65536, 0);
  for (int y = 0; y < image.rows; ++y) {
    const auto* value = image.ptr<std::uint16_t>(y);
    const auto* inside = lungs.ptr<unsigned char>(y);
    for (int x = 0; x < image.cols; ++x) counts[value[x]] += inside[x] == 0 ? 0U : 1U;
  }
  return counts;
}

double percentile(const std::vector<std::uint32_t>& counts, double total, double percent) {
  double seen = 0.0;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    seen += counts[value];
    if (seen > 0.0 && seen >= total * percent / 100.0) return static_cast<double>(value) / 65535.0;
  }
  return 0.0;
}

struct Moments {
  double mean = 0.0, deviation = 0.0, skewness = 0.0, kurtosis = 0.0;
};

Moments moments_of(const std::vector<std::uint32_t>& counts, double total) {
  Moments moments;
  if (total == 0.0) return moments;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    moments.mean += counts[value] * (static_cast<double>(value) / 65535.0) / total;
  }
  double second = 0.0;
  double third = 0.0;
  double fourth = 0.0;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    if (counts[value] == 0) continue;
    const double gap = static_cast<double>(value) / 65535.0 - moments.mean;
    const double weight = counts[value] / total;
    second += weight * gap * gap;
    third += weight * gap * gap * gap;
    fourth += weight * gap * gap * gap * gap;
  }
  moments.deviation = std::sqrt(second);
  if (second > 1e-12) {  // a constant has no shape
    moments.skewness = third / std::pow(second, 1.5);
    moments.kurtosis = fourth / (second * second) - 3.0;
  }
  return moments;
}

/// A sampled Gaussian that sums to 1, and its second derivative.
struct Kernels {
  cv::Mat smooth, curved;
};

Kernels kernels_of(double sigma) {
  const int radius = static_cast<int>(std::lround(kTruncate * sigma));
  Kernels kernels{cv::Mat(1, 2 * radius + 1, CV_32F), cv::Mat(1, 2 * radius + 1, CV_32F)};
  double sum = 0.0;
  for (int x = -radius; x <= radius; ++x) sum += std::exp(-0.5 * x * x / (sigma * sigma));
  for (int x = -radius; x <= radius; ++x) {
    const double weight = std::exp(-0.5 * x * x / (sigma * sigma)) / sum;
    kernels.smooth.at<float>(x + radius) = static_cast<float>(weight);
    kernels.curved.at<float>(x + radius) =
        static_cast<float>(weight * (x * x / std::pow(sigma, 4.0) - 1.0 / (sigma * sigma)));
  }
  return kernels;
}

cv::Mat blob_strength(const cv::Mat& picture, double sigma) {
  const Kernels kernels = kernels_of(sigma);
  cv::Mat along_x;
  cv::Mat along_y;
  const cv::Point centre(-1, -1);
  cv::sepFilter2D(picture, along_x, CV_32F, kernels.curved, kernels.smooth, centre, 0.0, cv::BORDER_REPLICATE);
  cv::sepFilter2D(picture, along_y, CV_32F, kernels.smooth, kernels.curved, centre, 0.0, cv::BORDER_REPLICATE);
  return (along_x + along_y) * (-sigma * sigma);
}

}  // namespace

void add_histogram(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs) {
  const std::vector<std::uint32_t> counts = count_values(image, lungs);
  const double total = cv::countNonZero(lungs);
  const Moments moments = moments_of(counts, total);
  list.add("grey.mean", moments.mean);
  list.add("grey.deviation", moments.deviation);
  list.add("grey.skewness", moments.skewness);
  list.add("grey.kurtosis", moments.kurtosis);
  for (const int percent : {5, 25, 50, 75, 95}) {
    list.add("grey.percentile" + std::to_string(percent), percentile(counts, total, percent));
  }
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    double sum = 0.0;
    for (std::size_t value = bin * kBinWidth; value < (bin + 1) * kBinWidth; ++value) sum += counts[value];
    list.add("grey.bin" + std::to_string(bin), sum / std::max(1.0, total));
  }
}

void add_blobs(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs) {
  cv::Mat picture;
  cv::Mat inside;
  const cv::Size half(std::max(1, image.cols / 2), std::max(1, image.rows / 2));
  image.convertTo(picture, CV_32F, 1.0 / 65535.0);
  cv::resize(picture, picture, half, 0.0, 0.0, cv::INTER_AREA);
  cv::resize(lungs, inside, half, 0.0, 0.0, cv::INTER_NEAREST);
  const bool empty = cv::countNonZero(inside) == 0;
  for (const auto& [name, sigma] : {std::pair{"1.5", 1.5}, std::pair{"3", 3.0}, std::pair{"6", 6.0}}) {
    const cv::Mat strength = blob_strength(picture, sigma);
    double highest = 0.0;
    cv::Scalar mean;
    cv::Scalar deviation;
    if (!empty) {
      cv::minMaxLoc(strength, nullptr, &highest, nullptr, nullptr, inside);
      cv::meanStdDev(strength, mean, deviation, inside);
    }
    list.add(std::string("blob.s") + name + ".highest", highest);
    list.add(std::string("blob.s") + name + ".deviation", deviation[0]);
  }
}

void add_gradients(FeatureList& list, const cv::Mat& image) {
  const cv::Size window(kHogSide, kHogSide);
  const cv::Size cell(kHogSide / 2, kHogSide / 2);
  const cv::HOGDescriptor hog(window, window, window, cell, 9);
  cv::Mat picture;
  image.convertTo(picture, CV_32F, 255.0 / 65535.0);
  const bool shrinks = image.rows >= kHogSide;
  cv::resize(picture, picture, window, 0.0, 0.0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  picture.convertTo(picture, CV_8U);
  std::vector<float> values;
  hog.compute(picture, values);
  for (std::size_t i = 0; i < values.size(); ++i) list.add("hog." + std::to_string(i), static_cast<double>(values[i]));
}

}  // namespace pulmo::features
