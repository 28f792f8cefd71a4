#include "core/model/features/texture.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <opencv2/core.hpp>
#include <vector>

namespace pulmo::features {
namespace {

constexpr std::size_t kLevels = 32;
constexpr std::size_t kTable = kLevels + 1;  // level 0 is "outside the lungs"
constexpr std::array<const char*, 6> kProperties = {"contrast", "dissimilarity", "homogeneity",
                                                    "energy",   "correlation",   "entropy"};
using Properties = std::array<double, kProperties.size()>;
using Counts = std::array<std::uint32_t, kTable * kTable>;

constexpr int kNeighbours = 8;
constexpr float kRounding = 1.0F / 32.0F;   // grey levels; more than the interpolation's error, so that flat is flat
constexpr int kPatterns = kNeighbours + 2;  // 0..8 ones when uniform, and "not uniform"

/// (S,S) CV_8UC1: 1 + the top five bits of a lung pixel, 0 outside.
cv::Mat grey_levels(const cv::Mat& image, const cv::Mat& lungs) {
  cv::Mat levels = cv::Mat::zeros(image.size(), CV_8U);
  for (int y = 0; y < image.rows; ++y) {
    const auto* value = image.ptr<std::uint16_t>(y);
    const auto* inside = lungs.ptr<unsigned char>(y);
    auto* level = levels.ptr<unsigned char>(y);
    for (int x = 0; x < image.cols; ++x) {
      level[x] = inside[x] == 0 ? 0 : static_cast<unsigned char>(1U + (unsigned{value[x]} >> 11U));
    }
  }
  return levels;
}

/// How often each pair of levels lies (dy, dx) apart; dy is not negative.
Counts count_pairs(const cv::Mat& levels, int dy, int dx) {
  Counts counts{};
  const int from = std::max(0, -dx);
  const int to = levels.cols - std::max(0, dx);
  for (int y = 0; y + dy < levels.rows; ++y) {
    const auto* here = levels.ptr<unsigned char>(y);
    const auto* there = levels.ptr<unsigned char>(y + dy) + dx;
    for (int x = from; x < to; ++x) ++counts[here[x] * kTable + there[x]];
  }
  return counts;
}

/// The counts both ways, summing to 1; all 0 without a pair.
std::array<double, kLevels * kLevels> symmetric_shares(const Counts& counts) {
  std::array<double, kLevels * kLevels> shares{};
  double total = 0.0;
  for (std::size_t i = 0; i < kLevels; ++i) {
    for (std::size_t j = 0; j < kLevels; ++j) {
      const double both = counts[(i + 1) * kTable + j + 1] + counts[(j + 1) * kTable + i + 1];
      shares[i * kLevels + j] = both;
      total += both;
    }
  }
  for (double& share : shares) share /= std::max(1.0, total);
  return shares;
}

/// In the order of kProperties; all 0 without a pair.
Properties properties_of(const Counts& counts) {
  const auto shares = symmetric_shares(counts);
  Properties result{};
  double mean = 0.0;
  double square = 0.0;
  double product = 0.0;
  double energy = 0.0;
  for (std::size_t cell = 0; cell < shares.size(); ++cell) {
    const double share = shares[cell];
    if (share == 0.0) continue;
    const auto i = static_cast<double>(cell / kLevels);
    const auto j = static_cast<double>(cell % kLevels);
    const double gap = i - j;
    result[0] += share * gap * gap;
    result[1] += share * std::abs(gap);
    result[2] += share / (1.0 + gap * gap);
    energy += share * share;
    mean += share * i;
    square += share * i * i;
    product += share * i * j;
    result[5] -= share * std::log2(share);
  }
  if (energy == 0.0) return result;
  const double variance = square - mean * mean;
  result[3] = std::sqrt(energy);
  result[4] = variance < 1e-12 ? 1.0 : (product - mean * mean) / variance;  // one level only correlates with itself
  return result;
}

/// The value of each neighbour is read from four pixels with the same weights everywhere in the picture.
struct Neighbour {
  std::ptrdiff_t offset;  ///< of the upper left of the four, in the padded picture
  float upper_left, upper_right, lower_left, lower_right;
};

std::array<Neighbour, kNeighbours> neighbours_at(int radius, std::ptrdiff_t stride) {
  std::array<Neighbour, kNeighbours> result{};
  for (int k = 0; k < kNeighbours; ++k) {
    const double angle = 2.0 * std::numbers::pi * k / kNeighbours;
    const double dy = std::round(-radius * std::sin(angle) * 1e5) / 1e5;  // five digits, so that whole steps stay whole
    const double dx = std::round(radius * std::cos(angle) * 1e5) / 1e5;
    const double y = dy - std::floor(dy);
    const double x = dx - std::floor(dx);
    result[static_cast<std::size_t>(k)] = {
        static_cast<std::ptrdiff_t>(std::floor(dy)) * stride + static_cast<std::ptrdiff_t>(std::floor(dx)),
        static_cast<float>((1 - y) * (1 - x)), static_cast<float>((1 - y) * x), static_cast<float>(y * (1 - x)),
        static_cast<float>(y * x)};
  }
  return result;
}

/// One-bits of the pattern when it has at most two changes around the circle, 9 otherwise.
std::array<unsigned char, 256> pattern_table() {
  std::array<unsigned char, 256> table{};
  for (unsigned code = 0; code < 256; ++code) {
    const auto byte = static_cast<unsigned char>(code);
    const int changes = std::popcount(static_cast<unsigned char>(byte ^ std::rotl(byte, 1)));
    table[code] = static_cast<unsigned char>(changes <= 2 ? std::popcount(byte) : kNeighbours + 1);
  }
  return table;
}

/// Sets bit `bit` of codes[x] where the neighbour is not darker than the pixel.
void compare_row(const float* centre, const Neighbour& neighbour, std::ptrdiff_t stride, unsigned bit,
                 std::vector<unsigned>& codes) {
  const float* upper = centre + neighbour.offset;
  const float* lower = upper + stride;
  for (std::size_t x = 0; x < codes.size(); ++x) {
    const float value = neighbour.upper_left * upper[x] + neighbour.upper_right * upper[x + 1] +
                        neighbour.lower_left * lower[x] + neighbour.lower_right * lower[x + 1];
    codes[x] |= (value + kRounding >= centre[x] ? 1U : 0U) << bit;
  }
}

std::array<double, kPatterns> pattern_shares(const cv::Mat& image, const cv::Mat& lungs, int radius) {
  static const std::array<unsigned char, 256> table = pattern_table();
  const int border = radius + 1;
  cv::Mat padded;
  cv::copyMakeBorder(image, padded, border, border, border, border, cv::BORDER_CONSTANT, cv::Scalar(0));
  padded.convertTo(padded, CV_32F);
  const auto stride = static_cast<std::ptrdiff_t>(padded.step1());
  const auto neighbours = neighbours_at(radius, stride);
  std::array<double, kPatterns> shares{};
  double total = 0.0;
  std::vector<unsigned> codes(static_cast<std::size_t>(image.cols));
  for (int y = 0; y < image.rows; ++y) {
    std::fill(codes.begin(), codes.end(), 0U);
    const float* centre = padded.ptr<float>(y + border) + border;
    for (unsigned k = 0; k < kNeighbours; ++k) compare_row(centre, neighbours[k], stride, k, codes);
    const auto* inside = lungs.ptr<unsigned char>(y);
    for (std::size_t x = 0; x < codes.size(); ++x) {
      if (inside[x] == 0) continue;
      shares[table[codes[x]]] += 1.0;
      total += 1.0;
    }
  }
  for (double& share : shares) share /= std::max(1.0, total);
  return shares;
}

}  // namespace

void add_cooccurrence(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs) {
  const cv::Mat levels = grey_levels(image, lungs);
  for (const int d : {1, 2, 4}) {
    const std::array<Properties, 4> directions = {
        properties_of(count_pairs(levels, 0, d)), properties_of(count_pairs(levels, d, d)),
        properties_of(count_pairs(levels, d, 0)), properties_of(count_pairs(levels, d, -d))};
    for (std::size_t k = 0; k < kProperties.size(); ++k) {
      double sum = 0.0;
      double low = directions[0][k];
      double high = low;
      for (const Properties& direction : directions) {
        sum += direction[k];
        low = std::min(low, direction[k]);
        high = std::max(high, direction[k]);
      }
      const std::string name = "glcm.d" + std::to_string(d) + "." + kProperties[k];
      list.add(name + ".mean", sum / 4.0);
      list.add(name + ".range", high - low);
    }
  }
}

void add_binary_patterns(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs) {
  for (const int radius : {1, 3}) {
    const auto shares = pattern_shares(image, lungs, radius);
    for (std::size_t k = 0; k < shares.size(); ++k) {
      list.add("lbp.r" + std::to_string(radius) + "." + std::to_string(k), shares[k]);
    }
  }
}

}  // namespace pulmo::features
