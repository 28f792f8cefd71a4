#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "pipeline/lidc/contour_mask.h"
#include "pipeline/lidc/lidc_nodules.h"

namespace pulmo::pipeline {
namespace {

cv::Rect box_on(const Nodule& nodule, std::size_t slice, cv::Size image) {
  cv::Rect box;
  for (const ReaderMark& mark : nodule.marks) {
    for (const PlacedRoi& roi : mark.rois) {
      if (roi.slice == slice && roi.inclusion) box |= cv::boundingRect(roi.outline);
    }
  }
  return box & cv::Rect(cv::Point(), image);
}

/// 1 where the mark's contours enclose the pixel and none of its holes does.
cv::Mat mark_mask(const ReaderMark& mark, std::size_t slice, const cv::Rect& box) {
  cv::Mat mask = cv::Mat::zeros(box.size(), CV_8UC1);
  for (const PlacedRoi& roi : mark.rois) {
    if (roi.slice == slice && roi.inclusion) fill_inside(roi.outline, box.tl(), 1, mask);
  }
  for (const PlacedRoi& roi : mark.rois) {
    if (roi.slice == slice && !roi.inclusion) fill_inside_and_on(roi.outline, box.tl(), 0, mask);
  }
  return mask;
}

/// 1 where any mark of `reader` covers the pixel.
cv::Mat reader_mask(const Nodule& nodule, std::size_t reader, std::size_t slice, const cv::Rect& box) {
  cv::Mat mask = cv::Mat::zeros(box.size(), CV_8UC1);
  for (const ReaderMark& mark : nodule.marks) {
    if (mark.reader == reader) mask |= mark_mask(mark, slice, box);
  }
  return mask;
}

/// 1 where at least half of so many readers are counted.
cv::Mat at_least_half(const cv::Mat& counts, std::size_t readers) {
  cv::Mat mask;
  const double half = 0.5 * static_cast<double>(readers);
  cv::threshold(counts, mask, std::ceil(half) - 0.5, 1.0, cv::THRESH_BINARY);
  return mask;
}

std::set<std::size_t> slices_of(const Nodule& nodule) {
  std::set<std::size_t> slices;
  for (const ReaderMark& mark : nodule.marks) {
    for (const PlacedRoi& roi : mark.rois) slices.insert(roi.slice);
  }
  return slices;
}

/// Pixels of two masks on all slices so far: in both, and of one plus those of the other.
struct Overlap {
  std::int64_t shared = 0;
  std::int64_t sum = 0;

  void add(const cv::Mat& a, const cv::Mat& b) {
    shared += cv::countNonZero(a & b);
    sum += cv::countNonZero(a) + cv::countNonZero(b);
  }
  double dice() const { return 2.0 * static_cast<double>(shared) / static_cast<double>(sum); }
};

}  // namespace

BoxMask reader_counts(const Nodule& nodule, std::size_t slice, cv::Size image) {
  BoxMask counts{box_on(nodule, slice, image), {}};
  counts.mask = cv::Mat::zeros(counts.box.size(), CV_8UC1);
  if (counts.box.empty()) return counts;
  for (const std::size_t reader : readers_of(nodule)) counts.mask += reader_mask(nodule, reader, slice, counts.box);
  return counts;
}

BoxMask consensus_mask(const Nodule& nodule, std::size_t slice, cv::Size image) {
  BoxMask result = reader_counts(nodule, slice, image);
  if (result.box.empty()) return result;
  result.mask = at_least_half(result.mask, nodule.readers());
  return result;
}

std::map<std::size_t, int> consensus_area(const Nodule& nodule, cv::Size image) {
  std::map<std::size_t, int> area;
  for (const std::size_t slice : slices_of(nodule)) {
    const int pixels = cv::countNonZero(consensus_mask(nodule, slice, image).mask);
    if (pixels > 0) area[slice] = pixels;
  }
  return area;
}

std::optional<double> reader_dice(const Nodule& nodule, cv::Size image) {
  const std::set<std::size_t> readers = readers_of(nodule);
  if (readers.size() < 2) return std::nullopt;
  std::map<std::size_t, Overlap> overlaps;
  for (const std::size_t slice : slices_of(nodule)) {
    const BoxMask counts = reader_counts(nodule, slice, image);
    if (counts.box.empty()) continue;
    for (const std::size_t reader : readers) {
      const cv::Mat own = reader_mask(nodule, reader, slice, counts.box);
      overlaps[reader].add(own, at_least_half(counts.mask - own, readers.size() - 1));
    }
  }
  double total = 0.0;
  int compared = 0;
  for (const auto& [reader, overlap] : overlaps) {
    if (overlap.sum == 0) continue;
    total += overlap.dice();
    ++compared;
  }
  return compared > 0 ? std::optional(total / compared) : std::nullopt;
}

}  // namespace pulmo::pipeline
