#include "pipeline/lidc/contour_mask.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <opencv2/imgproc.hpp>

namespace pulmo::pipeline {
namespace {

std::int64_t ceiling(std::int64_t numerator, std::int64_t positive) {
  return numerator >= 0 ? (numerator + positive - 1) / positive : -(-numerator / positive);
}

/// Marks in each row of `turns`, which is one column wider than the box, where an edge is crossed: at the first whole
/// column that does not lie left of it.
void mark_crossings(cv::Point from, cv::Point to, const cv::Rect& box, cv::Mat& turns) {
  if (from.y > to.y) std::swap(from, to);
  const std::int64_t height = to.y - from.y;
  const std::int64_t width = to.x - from.x;
  for (int y = std::max(from.y, box.y); y < std::min(to.y, box.br().y); ++y) {
    const std::int64_t column = from.x + ceiling((y - from.y) * width, height);
    const auto at = std::clamp<std::int64_t>(column - box.x, 0, box.width);
    turns.at<unsigned char>(y - box.y, static_cast<int>(at)) ^= 1U;
  }
}

/// The steps i, from first to last, for which low <= start + i * step <= high.
struct Steps {
  std::int64_t first = 0;
  std::int64_t last = 0;

  void keep(std::int64_t start, std::int64_t step, std::int64_t low, std::int64_t high) {
    if (step < 0) return keep(-start, -step, -high, -low);
    if (step == 0) {
      if (start < low || start > high) last = first - 1;
      return;
    }
    first = std::max(first, ceiling(low - start, step));
    last = std::min(last, -ceiling(start - high, step));
  }
};

/// Sets the pixels on an edge: it meets whole coordinates at equal steps.
void set_on_edge(cv::Point from, cv::Point to, const cv::Rect& box, unsigned char value, cv::Mat& inside) {
  const cv::Point whole = to - from;
  const int count = std::max(1, std::gcd(whole.x, whole.y));
  const cv::Point step(whole.x / count, whole.y / count);  // cv::Point divides as doubles, and rounds
  Steps steps{0, count};
  steps.keep(from.x, step.x, box.x, box.br().x - 1);
  steps.keep(from.y, step.y, box.y, box.br().y - 1);
  for (auto i = static_cast<int>(steps.first); i <= steps.last; ++i) {
    inside.at<unsigned char>(from + step * i - box.tl()) = value;
  }
}

/// 1 where the contour encloses a pixel of the box by the even-odd rule, `on_contour` on the contour itself.
cv::Mat enclosed(const std::vector<cv::Point>& contour, const cv::Rect& box, unsigned char on_contour) {
  cv::Mat turns = cv::Mat::zeros(box.height, box.width + 1, CV_8UC1);
  for (std::size_t i = 0; i < contour.size(); ++i) {
    mark_crossings(contour[i], contour[(i + 1) % contour.size()], box, turns);
  }
  for (int y = 0; y < box.height; ++y) {  // inside: an odd number of crossings further right
    auto* row = turns.ptr<unsigned char>(y);
    for (int x = box.width - 1; x >= 0; --x) row[x] ^= row[x + 1];
    std::copy(row + 1, row + 1 + box.width, row);
  }
  cv::Mat inside = turns.colRange(0, box.width);
  for (std::size_t i = 0; i < contour.size(); ++i) {
    set_on_edge(contour[i], contour[(i + 1) % contour.size()], box, on_contour, inside);
  }
  return inside;
}

void fill(const std::vector<cv::Point>& contour, cv::Point origin, unsigned char value, unsigned char on_contour,
          cv::Mat& mask) {
  if (contour.empty()) return;
  const cv::Rect box = cv::boundingRect(contour) & cv::Rect(origin, mask.size());
  if (!box.empty()) mask(box - origin).setTo(value, enclosed(contour, box, on_contour));
}

}  // namespace

void fill_inside(const std::vector<cv::Point>& contour, cv::Point origin, unsigned char value, cv::Mat& mask) {
  fill(contour, origin, value, 0, mask);
}

void fill_inside_and_on(const std::vector<cv::Point>& contour, cv::Point origin, unsigned char value, cv::Mat& mask) {
  fill(contour, origin, value, 1, mask);
}

}  // namespace pulmo::pipeline
