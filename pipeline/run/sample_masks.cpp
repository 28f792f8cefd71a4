#include "pipeline/run/sample_masks.h"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

template <typename Value>
std::vector<Value> values_of(const cv::Mat& matrix) {
  std::vector<Value> values;
  values.reserve(matrix.total());
  for (int y = 0; y < matrix.rows; ++y) {
    const Value* row = matrix.ptr<Value>(y);
    values.insert(values.end(), row, row + matrix.cols);
  }
  return values;
}

}  // namespace

std::vector<std::uint16_t> image_values(const cv::Mat& image) {
  return values_of<std::uint16_t>(image);
}

std::vector<std::uint8_t> mask_values(const cv::Mat& mask) {
  return values_of<std::uint8_t>(mask);
}

PreprocessedSlice preprocess_of_file(const Slice& slice, const PreprocessSpec& spec, const std::string& file) {
  try {
    return preprocess(slice, spec);
  } catch (const InvalidInput& error) {
    throw InvalidInput(error.reason(), file + ": " + error.what());
  }
}

cv::Mat preprocess_counts(const cv::Mat& counts, const PreprocessSpec& spec) {
  cv::Mat result = cv::Mat::zeros(spec.size_px, spec.size_px, CV_8UC1);
  const cv::Rect box = cv::boundingRect(counts);
  if (box.empty()) return result;
  double highest = 0.0;
  cv::minMaxLoc(counts(box), nullptr, &highest);
  cv::Mat at_least = cv::Mat::zeros(counts.size(), CV_8UC1);
  for (int level = 1; level <= static_cast<int>(highest); ++level) {
    cv::compare(counts(box), level, at_least(box), cv::CMP_GE);
    result += preprocess_mask(at_least, spec);
  }
  return result;
}

}  // namespace pulmo::pipeline
