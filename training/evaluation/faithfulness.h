#pragma once

#include <cstddef>
#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

#include "core/model/predictor.h"
#include "training/evaluation/bootstrap.h"

namespace pulmo::training {

/// Steps of the curves: each takes 1/20 of the pixels.
inline constexpr int kCurveSteps = 20;
/// Deviation of the Gaussian that blurs the picture which insertion begins with, as a share of its side.
inline constexpr double kBlurShare = 0.1;

/// The baselines that stand beside the maps.
inline constexpr const char* kRandomOrder = "random";  ///< pixels in random order
inline constexpr const char* kCentreOrder = "centre";  ///< by their distance from the picture's centre

/// The places y*W + x of a map's pixels by falling value. Equal ones, such as the zeros of a map, in random order: no
/// corner of the picture is preferred.
std::vector<int> order_of(const cv::Mat& map, std::uint64_t seed);
/// Minus the distance of each place from the centre of the picture, (H,W) CV_32FC1.
cv::Mat closeness_to_centre(const cv::Size& size);

/// How an order of pixels does on one picture (Petsiuk, Das, Saenko 2018): the probabilities of a class once 0, 1, ...
/// kCurveSteps of the steps are done.
struct Curves {
  std::vector<double> deletion;   ///< pixels give way to the picture's mean; falls early where the first ones matter
  std::vector<double> insertion;  ///< pixels come back to the blurred picture; rises early where the first ones matter
};
/// Of class `k` on `image` (S,S) CV_16UC1, or n slices of a volume (n*S,S), whose pixels are ordered together, have one
/// mean, and are blurred slice by slice. Throws what the predictor throws.
Curves curves_of(const Predictor& predictor, const cv::Mat& image, std::size_t k, const std::vector<int>& order);
/// Under a curve over the share of steps, 0 to 1, by the trapezoidal rule.
double area_under(const std::vector<double>& curve);

/// The share of the sum of a map that lies where `outline` (H,W) CV_8UC1 is not 0; NaN where either is 0 throughout.
double share_inside(const cv::Mat& map, const cv::Mat& outline);

/// One method or baseline on every sample, in the order of the samples.
struct MethodScores {
  std::string name;
  std::vector<double> deletion, insertion;
  std::vector<double> inside;  ///< NaN where there is no outline, nothing in the map, or no map (the centre)
};

/// Means over the samples, with intervals by bootstrap over patients.
struct MethodSummary {
  std::string name;
  MeanWithInterval deletion, insertion, inside;
  std::size_t n = 0;         ///< samples
  std::size_t n_inside = 0;  ///< of `inside`
  /// What the method has more than kCentreOrder on the same samples.
  MeanWithInterval deletion_to_centre, insertion_to_centre;
};
/// `methods` hold kCentreOrder; `patients` are those of the samples.
std::vector<MethodSummary> summarise(const std::vector<MethodScores>& methods, const std::vector<std::string>& patients,
                                     const BootstrapOptions& options);

/// What was measured on what.
struct FaithfulnessFacts {
  std::string row, split, bundle_sha256, data_digest;
  bool phantom = false;
  std::size_t samples = 0;  ///< measured
  std::size_t of = 0;       ///< in the split
  std::size_t patients = 0;
  BootstrapOptions bootstrap;
  std::int64_t depth = 0;  ///< D of samples that are volumes; 0: slices
};
/// "200 of 205 test samples (volumes of 7 slices)".
std::string samples_text(const FaithfulnessFacts& facts);
/// A Markdown table, a line for each method, and what it was measured on.
std::string to_markdown(const FaithfulnessFacts& facts, const std::vector<MethodSummary>& methods);
/// An undefined value is null.
std::string to_json(const FaithfulnessFacts& facts, const std::vector<MethodSummary>& methods);

}  // namespace pulmo::training
