#include "core/model/explain.h"

#include <algorithm>
#include <opencv2/core.hpp>

namespace pulmo {
namespace {

/// Where squares begin along a side of `size` pixels: every `step`, and one that ends with the side.
std::vector<int> starts(int size, int patch, int step) {
  std::vector<int> result;
  for (int at = 0; at + patch < size; at += step) result.push_back(at);
  result.push_back(std::max(0, size - patch));
  return result;
}

std::vector<cv::Rect> squares_on_lungs(const cv::Mat& lungs, const OcclusionOptions& options) {
  std::vector<cv::Rect> squares;
  for (const int y : starts(lungs.rows, options.patch_px, options.step_px)) {
    for (const int x : starts(lungs.cols, options.patch_px, options.step_px)) {
      const cv::Rect square = cv::Rect(x, y, options.patch_px, options.patch_px) & cv::Rect({}, lungs.size());
      if (cv::countNonZero(lungs(square)) > 0) squares.push_back(square);
    }
  }
  return squares;
}

cv::Mat cover(const cv::Mat& image, const cv::Mat& lungs, const cv::Rect& square, double value) {
  cv::Mat covered = image.clone();
  covered(square).setTo(value, lungs(square));
  return covered;
}

/// How many squares cover each place.
cv::Mat coverage(const cv::Size& size, const OcclusionOptions& options) {
  cv::Mat count(size, CV_64FC1, cv::Scalar(0.0));
  for (const int y : starts(size.height, options.patch_px, options.step_px)) {
    for (const int x : starts(size.width, options.patch_px, options.step_px)) {
      count(cv::Rect(x, y, options.patch_px, options.patch_px) & cv::Rect({}, size)) += 1.0;
    }
  }
  return count;
}

}  // namespace

ImageBatch batch_of(const std::vector<cv::Mat>& images, std::int64_t channels, std::int64_t depth) {
  ImageBatch batch;
  batch.count = static_cast<std::int64_t>(images.size());
  batch.channels = channels;
  batch.height = images.front().rows;
  batch.width = images.front().cols;
  batch.depth = depth;
  const std::size_t plane_size = images.front().total();
  const auto slices = static_cast<std::size_t>(std::max<std::int64_t>(1, depth));
  const auto below = static_cast<std::size_t>(middle_slice(static_cast<std::int64_t>(slices)));
  batch.pixels.reserve(images.size() * plane_size * slices * static_cast<std::size_t>(channels));
  for (const cv::Mat& image : images) {
    const cv::Mat plane = image.isContinuous() ? image : image.clone();
    const auto* first = plane.ptr<std::uint16_t>();
    for (std::int64_t c = 0; c < channels; ++c) {
      batch.pixels.insert(batch.pixels.end(), below * plane_size, 0);
      batch.pixels.insert(batch.pixels.end(), first, first + plane_size);
      batch.pixels.insert(batch.pixels.end(), (slices - 1 - below) * plane_size, 0);
    }
  }
  return batch;
}

ImageBatch batch_of(const cv::Mat& image, std::int64_t channels, std::int64_t depth) {
  return batch_of(std::vector<cv::Mat>(1, image), channels, depth);
}

std::optional<cv::Mat> occlusion_map(const Predictor& predictor, const cv::Mat& image, const cv::Mat& lungs,
                                     std::size_t k, const OcclusionOptions& options,
                                     const std::function<bool()>& keep_on) {
  const std::int64_t channels = predictor.metadata().channels;
  const std::size_t classes = predictor.metadata().class_names.size();
  const std::int64_t depth = predictor.metadata().depth;
  const double whole = predictor.predict(batch_of(image, channels, depth)).at(k);
  const double value = cv::mean(image, lungs)[0];
  const std::vector<cv::Rect> squares = squares_on_lungs(lungs, options);
  cv::Mat loss(image.size(), CV_64FC1, cv::Scalar(0.0));
  for (std::size_t begin = 0; begin < squares.size(); begin += options.max_batch) {
    if (!keep_on()) return std::nullopt;
    const std::size_t end = std::min(squares.size(), begin + options.max_batch);
    std::vector<cv::Mat> covered;
    for (std::size_t i = begin; i < end; ++i) covered.push_back(cover(image, lungs, squares[i], value));
    const std::vector<double> probabilities = predictor.predict(batch_of(covered, channels, depth));
    for (std::size_t i = begin; i < end; ++i) loss(squares[i]) += whole - probabilities.at((i - begin) * classes + k);
  }
  loss /= coverage(image.size(), options);
  cv::Mat heat;
  cv::max(loss, 0.0, loss);
  loss.convertTo(heat, CV_32F);
  return heat;
}

std::optional<HeatSummary> summarise_heat(const cv::Mat& heat, const cv::Mat& lungs) {
  double highest = 0.0;
  HeatSummary summary;
  cv::minMaxLoc(heat, nullptr, &highest, nullptr, &summary.peak);
  if (!(highest > 0.0)) return std::nullopt;
  cv::Mat inside = cv::Mat::zeros(heat.size(), heat.type());
  heat.copyTo(inside, lungs);
  summary.inside_lungs = cv::sum(inside)[0] / cv::sum(heat)[0];
  return summary;
}

}  // namespace pulmo
