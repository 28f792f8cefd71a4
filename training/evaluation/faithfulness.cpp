#include "training/evaluation/faithfulness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <opencv2/core.hpp>

#include "core/model/explain.h"
#include "core/support/seed.h"

namespace pulmo::training {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int kSlicesAtOnce = 64;  // of one run of the model, or one volume: bounds the memory

/// p(k) on the way from `from` to `to`, whose pixels replace its own in `order`.
std::vector<double> curve_between(const Predictor& predictor, const cv::Mat& from, const cv::Mat& to, std::size_t k,
                                  const std::vector<int>& order) {
  const BundleMetadata& metadata = predictor.metadata();
  const auto at_once = static_cast<std::size_t>(std::max(1, kSlicesAtOnce * from.cols / from.rows));
  std::vector<double> curve;
  std::vector<cv::Mat> pictures;
  const auto judge = [&] {
    const std::vector<double> rows = predictor.predict(batch_of(pictures, metadata.channels, metadata.depth));
    for (std::size_t i = 0; i < pictures.size(); ++i) curve.push_back(rows.at(i * metadata.class_names.size() + k));
    pictures.clear();
  };
  cv::Mat picture = from.clone();
  std::size_t done = 0;
  for (int step = 0; step <= kCurveSteps; ++step) {
    const std::size_t until = order.size() * static_cast<std::size_t>(step) / kCurveSteps;
    for (; done < until; ++done) {
      const cv::Point at(order[done] % picture.cols, order[done] / picture.cols);
      picture.at<std::uint16_t>(at) = to.at<std::uint16_t>(at);
    }
    pictures.push_back(picture.clone());
    if (pictures.size() == at_once || step == kCurveSteps) judge();
  }
  return curve;
}

std::vector<double> minus(std::vector<double> values, const std::vector<double>& others) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] -= others.at(i);
  return values;
}

}  // namespace

std::vector<int> order_of(const cv::Mat& map, std::uint64_t seed) {
  const cv::Mat values = map.isContinuous() ? map : map.clone();
  const auto* first = values.ptr<float>();
  std::vector<int> order(values.total());
  std::iota(order.begin(), order.end(), 0);
  Random(seed).shuffle(order);
  std::stable_sort(order.begin(), order.end(), [first](int a, int b) { return first[a] > first[b]; });
  return order;
}

cv::Mat closeness_to_centre(const cv::Size& size) {
  cv::Mat closeness(size, CV_32FC1);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      closeness.at<float>(y, x) =
          static_cast<float>(-std::hypot(x - 0.5 * (size.width - 1), y - 0.5 * (size.height - 1)));
    }
  }
  return closeness;
}

Curves curves_of(const Predictor& predictor, const cv::Mat& image, std::size_t k, const std::vector<int>& order) {
  const cv::Mat mean(image.size(), CV_16UC1, cv::Scalar(std::round(cv::mean(image)[0])));
  const cv::Mat soft = blurred(image, kBlurShare * image.cols);
  return {curve_between(predictor, image, mean, k, order), curve_between(predictor, soft, image, k, order)};
}

double area_under(const std::vector<double>& curve) {
  const double ends = 0.5 * (curve.front() + curve.back());
  return (std::accumulate(curve.begin() + 1, curve.end() - 1, 0.0) + ends) / static_cast<double>(curve.size() - 1);
}

double share_inside(const cv::Mat& map, const cv::Mat& outline) {
  const double sum = cv::sum(map)[0];
  if (outline.empty() || cv::countNonZero(outline) == 0 || !(sum > 0.0)) return kNone;
  cv::Mat inside = cv::Mat::zeros(map.size(), map.type());
  map.copyTo(inside, outline);
  return cv::sum(inside)[0] / sum;
}

std::vector<MethodSummary> summarise(const std::vector<MethodScores>& methods, const std::vector<std::string>& patients,
                                     const BootstrapOptions& options) {
  const auto centre = std::find_if(methods.begin(), methods.end(),
                                   [](const MethodScores& method) { return method.name == kCentreOrder; });
  std::vector<MethodSummary> summaries;
  for (const MethodScores& method : methods) {
    const auto summary = [&](const std::vector<double>& values) { return mean_of(values, patients, options); };
    summaries.push_back({method.name, summary(method.deletion), summary(method.insertion), summary(method.inside),
                         method.deletion.size(),
                         static_cast<std::size_t>(std::count_if(method.inside.begin(), method.inside.end(),
                                                                [](double share) { return !std::isnan(share); })),
                         summary(minus(method.deletion, centre->deletion)),
                         summary(minus(method.insertion, centre->insertion))});
  }
  return summaries;
}

}  // namespace pulmo::training
