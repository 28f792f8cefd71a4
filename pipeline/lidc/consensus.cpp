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
  const double half = 0.5 * static_cast<double>(nodule.readers());
  cv::threshold(result.mask, result.mask, std::ceil(half) - 0.5, 1.0, cv::THRESH_BINARY);
  return result;
}

std::map<std::size_t, int> consensus_area(const Nodule& nodule, cv::Size image) {
  std::set<std::size_t> slices;
  for (const ReaderMark& mark : nodule.marks) {
    for (const PlacedRoi& roi : mark.rois) slices.insert(roi.slice);
  }
  std::map<std::size_t, int> area;
  for (const std::size_t slice : slices) {
    const int pixels = cv::countNonZero(consensus_mask(nodule, slice, image).mask);
    if (pixels > 0) area[slice] = pixels;
  }
  return area;
}

}  // namespace pulmo::pipeline
