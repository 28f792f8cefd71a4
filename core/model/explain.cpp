#include "core/model/explain.h"

#include <algorithm>
#include <iterator>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "core/model/volume_layout.h"

namespace pulmo {
namespace {

/// Where squares begin along a side of `size` pixels: every `step`, and one that ends with the side.
std::vector<int> starts(int size, int patch, int step) {
  std::vector<int> result;
  for (int at = 0; at + patch < size; at += step) result.push_back(at);
  result.push_back(std::max(0, size - patch));
  return result;
}

/// All squares of each slice, in the stack.
std::vector<cv::Rect> squares_of(const cv::Size& stack, const OcclusionOptions& options) {
  const int side = stack.width;
  std::vector<cv::Rect> squares;
  for (int slice = 0; slice < stack.height; slice += side) {
    const cv::Rect whole(0, slice, side, side);
    for (const int y : starts(side, options.patch_px, options.step_px)) {
      for (const int x : starts(side, options.patch_px, options.step_px)) {
        squares.push_back(cv::Rect(x, slice + y, options.patch_px, options.patch_px) & whole);
      }
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
cv::Mat coverage(const cv::Size& stack, const std::vector<cv::Rect>& squares) {
  cv::Mat count(stack, CV_64FC1, cv::Scalar(0.0));
  for (const cv::Rect& square : squares) count(square) += 1.0;
  return count;
}

}  // namespace

ImageBatch batch_of(const std::vector<cv::Mat>& images, std::int64_t channels, std::int64_t depth) {
  ImageBatch batch;
  batch.count = static_cast<std::int64_t>(images.size());
  batch.channels = channels;
  batch.height = images.front().cols;
  batch.width = images.front().cols;
  batch.depth = depth;
  const std::int64_t places = std::max<std::int64_t>(1, depth);
  const auto plane = static_cast<std::size_t>(batch.height * batch.width);
  batch.pixels.reserve(images.size() * plane * static_cast<std::size_t>(places * channels));
  for (const cv::Mat& image : images) {
    const cv::Mat stack = image.isContinuous() ? image : image.clone();
    const auto* first = stack.ptr<std::uint16_t>();
    const std::int64_t slices = stack.rows / stack.cols;
    const std::int64_t below = first_place(places, slices);
    for (std::int64_t c = 0; c < channels; ++c) {
      batch.pixels.insert(batch.pixels.end(), static_cast<std::size_t>(below) * plane, 0);
      batch.pixels.insert(batch.pixels.end(), first, first + stack.total());
      batch.pixels.insert(batch.pixels.end(), static_cast<std::size_t>(places - slices - below) * plane, 0);
    }
  }
  return batch;
}

ImageBatch batch_of(const cv::Mat& image, std::int64_t channels, std::int64_t depth) {
  return batch_of(std::vector<cv::Mat>(1, image), channels, depth);
}

std::vector<cv::Mat> slices_of(const cv::Mat& stack) {
  std::vector<cv::Mat> slices;
  for (int row = 0; row < stack.rows; row += stack.cols) slices.push_back(stack.rowRange(row, row + stack.cols));
  return slices;
}

cv::Mat blurred(const cv::Mat& stack, double deviation_px) {
  cv::Mat result(stack.size(), stack.type());
  const std::vector<cv::Mat> sharp = slices_of(stack), soft = slices_of(result);
  for (std::size_t i = 0; i < sharp.size(); ++i) {
    cv::GaussianBlur(sharp[i], soft[i], {}, deviation_px, 0.0, cv::BORDER_DEFAULT | cv::BORDER_ISOLATED);
  }
  return result;
}

cv::Mat part_of_slices(const cv::Mat& map, std::int64_t slices) {
  const std::int64_t first = first_place(map.rows / map.cols, slices);
  return map.rowRange(static_cast<int>(first) * map.cols, static_cast<int>(first + slices) * map.cols);
}

std::optional<cv::Mat> occlusion_map(const Predictor& predictor, const cv::Mat& image, const cv::Mat& lungs,
                                     std::size_t k, const OcclusionOptions& options,
                                     const std::function<bool()>& keep_on) {
  const std::int64_t channels = predictor.metadata().channels;
  const std::size_t classes = predictor.metadata().class_names.size();
  const std::int64_t depth = predictor.metadata().depth;
  const double whole = predictor.predict(batch_of(image, channels, depth)).at(k);
  const double value = cv::mean(image, lungs)[0];
  const std::vector<cv::Rect> all = squares_of(image.size(), options);
  std::vector<cv::Rect> squares;
  std::copy_if(all.begin(), all.end(), std::back_inserter(squares),
               [&](const cv::Rect& square) { return cv::countNonZero(lungs(square)) > 0; });
  cv::Mat loss(image.size(), CV_64FC1, cv::Scalar(0.0));
  for (std::size_t begin = 0; begin < squares.size(); begin += options.max_batch) {
    if (!keep_on()) return std::nullopt;
    const std::size_t end = std::min(squares.size(), begin + options.max_batch);
    std::vector<cv::Mat> covered;
    for (std::size_t i = begin; i < end; ++i) covered.push_back(cover(image, lungs, squares[i], value));
    const std::vector<double> probabilities = predictor.predict(batch_of(covered, channels, depth));
    for (std::size_t i = begin; i < end; ++i) loss(squares[i]) += whole - probabilities.at((i - begin) * classes + k);
  }
  loss /= coverage(image.size(), all);
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
