#pragma once

#include <cstddef>
#include <functional>
#include <opencv2/core/mat.hpp>
#include <optional>

#include "core/model/predictor.h"

namespace pulmo {

struct OcclusionOptions {
  int patch_px = 32;          ///< side of the square that is covered
  int step_px = 16;           ///< from one square to the next
  std::size_t max_batch = 8;  ///< covered pictures in one run of the model
};

/// What is explained: one slice (S,S), or n slices of a volume, one below the other (n*S,S).

/// Occlusion sensitivity (Zeiler and Fergus 2014, section 4.2) for any model: what the probability of class `k` loses
/// when a square of a slice is covered. Covered are the square's lung pixels alone, with the mean of all lung
/// pixels, so that the outline of the lungs, which the model sees too, stays; squares without a lung pixel lose
/// nothing. A place's value is the mean loss of the squares that cover it, 0 where that is a gain: (n*S,S) CV_32FC1.
/// `image` (n*S,S) CV_16UC1 and `lungs` (n*S,S) CV_8UC1 are those of preprocess(). `keep_on` is asked before each run
/// of the model; once it says false the result is nullopt. Throws what the predictor throws.
std::optional<cv::Mat> occlusion_map(const Predictor& predictor, const cv::Mat& image, const cv::Mat& lungs,
                                     std::size_t k, const OcclusionOptions& options,
                                     const std::function<bool()>& keep_on);

/// Images (n*S,S) CV_16UC1 as one batch; the grey plane stands for each of `channels`. With a depth D the n slices,
/// D at most, stand in the middle of a volume, at first_place(), between slices of 0; without one n is 1.
ImageBatch batch_of(const std::vector<cv::Mat>& images, std::int64_t channels, std::int64_t depth = 0);
/// The same of one image.
ImageBatch batch_of(const cv::Mat& image, std::int64_t channels, std::int64_t depth = 0);

/// The slices of a stack (n*S,S), n pictures (S,S). They share its data.
std::vector<cv::Mat> slices_of(const cv::Mat& stack);

/// Each slice of a stack by itself, by a Gaussian of this deviation.
cv::Mat blurred(const cv::Mat& stack, double deviation_px);

/// Of a map of the whole volume (D*S,S), as a Predictor makes it, the part that belongs to `slices` slices in its
/// middle; of a map (S,S) the map itself. Shares its data.
cv::Mat part_of_slices(const cv::Mat& map, std::int64_t slices);

/// What a heat map says in numbers.
struct HeatSummary {
  cv::Point peak;             ///< its highest place; the first in reading order, of a stack that of its first slice
  double inside_lungs = 0.0;  ///< share of the sum of the map that lies inside the lungs
};
/// nullopt when the map is 0 everywhere.
std::optional<HeatSummary> summarise_heat(const cv::Mat& heat, const cv::Mat& lungs);

}  // namespace pulmo
