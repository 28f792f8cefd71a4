#include "training/faithfulness.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <opencv2/core.hpp>
#include <optional>
#include <set>
#include <utility>

#include "core/model/explain.h"
#include "core/model/predictor.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/seed.h"
#include "training/evaluate.h"
#include "training/evaluation/faithfulness_file.h"
#include "training/evaluation/metrics.h"
#include "training/fit.h"
#include "training/progress_line.h"

namespace pulmo::training {
namespace {

constexpr const char* kGradCam = "grad_cam";
constexpr const char* kIntegrated = "integrated_gradients";
constexpr const char* kOcclusion = "occlusion";

/// One sample and what the bundle decides for it.
struct Slice {
  cv::Mat image;    ///< (S,S) CV_16UC1
  cv::Mat lungs;    ///< (S,S) CV_8UC1
  cv::Mat outline;  ///< (S,S) CV_8UC1, readers who outlined the pixel; empty where the shard stores none
  std::size_t k = 0;
};

cv::Mat mask_of(const std::vector<std::uint8_t>& values, const cv::Size& size) {
  if (values.empty()) return {};
  cv::Mat mask(size, CV_8UC1);
  std::copy(values.begin(), values.end(), mask.begin<std::uint8_t>());
  return mask;
}

Slice read_slice(const Predictor& predictor, const PreparedData& data, const Dataset& samples, std::int64_t index) {
  const BundleMetadata& metadata = predictor.metadata();
  const cv::Size size(static_cast<int>(samples.shape().width), static_cast<int>(samples.shape().height));
  std::vector<std::uint16_t> pixels(static_cast<std::size_t>(samples.shape().elements()));
  samples.read_image(index, pixels);
  const auto [shard, row] = samples.id(index);
  Slice slice;
  slice.image.create(size, CV_16UC1);  // all channels show the same plane
  std::copy_n(pixels.begin(), size.area(), slice.image.begin<std::uint16_t>());
  slice.lungs = mask_of(shard->read_lungs(row), size);
  if (slice.lungs.empty()) slice.lungs = metadata.spec.mask == LungMasking::kNone ? slice.image >= 0 : slice.image > 0;
  slice.outline = mask_of(shard->read_nodules(row), size);
  const auto probabilities = predictor.predict(batch_of(slice.image, metadata.channels, metadata.depth));
  slice.k = static_cast<std::size_t>(decide(probabilities, data.classes.positive, metadata.threshold));
  return slice;
}

std::optional<cv::Mat> map_of(const Predictor& predictor, const Slice& slice, const std::string& method) {
  const ImageBatch batch = batch_of(slice.image, predictor.metadata().channels, predictor.metadata().depth);
  if (method == kGradCam) return predictor.grad_cam(batch, slice.k);
  if (method == kIntegrated) return predictor.integrated_gradients(batch, slice.k);
  return occlusion_map(predictor, slice.image, slice.lungs, slice.k, {}, [] { return true; });
}

std::vector<std::string> methods_of(const FaithfulnessJob& job, const Predictor& predictor, const Slice& slice) {
  const auto has = [&](const std::string& method) { return method == kOcclusion || map_of(predictor, slice, method); };
  for (const std::string& method : job.methods) {
    if (has(method)) continue;
    throw InvalidInput("bundle", job.bundle.string() + ": the row " + predictor.metadata().row +
                                     " has no gradients for " + method + ": use --methods occlusion");
  }
  if (!job.methods.empty()) return job.methods;
  std::vector<std::string> methods;
  for (const char* method : {kGradCam, kIntegrated}) {
    if (has(method)) methods.emplace_back(method);
  }
  return methods.empty() ? std::vector<std::string>{kOcclusion} : methods;
}

void add(MethodScores& scores, const Curves& curves, double inside) {
  scores.deletion.push_back(area_under(curves.deletion));
  scores.insertion.push_back(area_under(curves.insertion));
  scores.inside.push_back(inside);
}

/// Adds `share` times the values, to zeros where there are none yet.
void add_to(std::vector<double>& sums, const std::vector<double>& values, double share) {
  sums.resize(values.size(), 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) sums[i] += share * values[i];
}

/// Of the methods, then of the two baselines.
struct Scores {
  std::vector<MethodScores> methods;
  std::vector<MethodCurves> curves;
};

/// `share` is that of the slice in the mean curves.
void measure(const Predictor& predictor, const Slice& slice, std::uint64_t seed, double share, Scores& scores) {
  scores.curves.resize(scores.methods.size());
  for (std::size_t i = 0; i < scores.methods.size(); ++i) {
    MethodScores& one = scores.methods[i];
    // A map of one value is in random order; what of it lies inside is the outline's share of the picture.
    cv::Mat map(slice.image.size(), CV_32FC1, cv::Scalar(1.0));
    const bool is_centre = one.name == kCentreOrder;
    if (is_centre) map = closeness_to_centre(map.size());
    if (!is_centre && one.name != kRandomOrder) map = map_of(predictor, slice, one.name).value();
    const auto order = order_of(map, derive_seed(seed, "faithfulness." + one.name));
    const Curves curves = curves_of(predictor, slice.image, slice.k, order);
    add(one, curves, is_centre ? std::numeric_limits<double>::quiet_NaN() : share_inside(map, slice.outline));
    add_to(scores.curves[i].deletion, curves.deletion, share);
    add_to(scores.curves[i].insertion, curves.insertion, share);
  }
}

/// Tells now and then how far a long measurement is.
class Told {
 public:
  explicit Told(std::int64_t count) : count_(count), begin_(Clock::now()), last_(begin_) {}

  void done(std::int64_t samples) {
    const auto now = Clock::now();
    if (now - last_ < kEvery) return;
    last_ = now;
    const double each = std::chrono::duration<double>(now - begin_).count() / static_cast<double>(samples);
    log_info("faithfulness", {{"samples", std::to_string(samples) + "/" + std::to_string(count_)},
                              {"left", clock_text(each * static_cast<double>(count_ - samples))}});
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kEvery{30};

  std::int64_t count_;
  Clock::time_point begin_;
  Clock::time_point last_;
};

FaithfulnessFacts facts_of(const FaithfulnessJob& job, const PreparedData& data, const Predictor& predictor,
                           const std::vector<std::string>& patients) {
  const BundleMetadata& metadata = predictor.metadata();
  return {metadata.row,
          std::string(to_string(job.split)),
          predictor.sha256(),
          data.digest,
          data.manifest.phantom || metadata.phantom,
          patients.size(),
          static_cast<std::size_t>(data.split(job.split).size()),
          std::set<std::string>(patients.begin(), patients.end()).size(),
          job.bootstrap};
}

Faithfulness measure_all(const FaithfulnessJob& job, const PreparedData& data, const Predictor& predictor) {
  const Dataset& samples = data.split(job.split);
  const std::int64_t count = std::min(job.samples, samples.size());
  Scores scores;
  std::vector<std::string> patients;
  Told told(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t index = i * samples.size() / count;
    const Slice slice = read_slice(predictor, data, samples, index);
    if (i == 0) {
      for (const std::string& method : methods_of(job, predictor, slice)) {
        scores.methods.push_back({method, {}, {}, {}});
      }
      for (const char* baseline : {kRandomOrder, kCentreOrder}) scores.methods.push_back({baseline, {}, {}, {}});
    }
    patients.push_back(samples.patient(index));
    measure(predictor, slice, derive_seed(job.bootstrap.seed, "faithfulness", 0, 0, static_cast<std::uint64_t>(index)),
            1.0 / static_cast<double>(count), scores);
    told.done(i + 1);
  }
  return {facts_of(job, data, predictor, patients), data.fold, summarise(scores.methods, patients, job.bootstrap),
          std::move(scores.curves)};
}

}  // namespace

const std::vector<std::string>& explanation_methods() {
  static const std::vector<std::string> names = {kGradCam, kIntegrated, kOcclusion};
  return names;
}

Faithfulness measure_faithfulness(const FaithfulnessJob& job, const PreparedData& data, int threads) {
  if (data.manifest.shape.depth != 0) {
    throw InvalidInput("training_data", data.directory.string() + " holds volumes of " +
                                            std::to_string(data.manifest.shape.depth) +
                                            " slices: explanations are measured on slices");
  }
  const auto predictor = load_predictor(job.bundle, threads);
  const auto dealt = as_dealt_to(predictor->metadata(), data);
  const PreparedData& parts = dealt ? *dealt : data;
  check_fits(job.bundle, predictor->metadata(), parts, {job.split});
  Faithfulness measured = measure_all(job, parts, *predictor);
  if (!job.output.empty()) write_file_atomically(job.output, to_json(measured));
  return measured;
}

std::string faithfulness(const FaithfulnessJob& job, const PreparedData& data, const Communicator& communicator) {
  const int threads = set_up_compute({}, communicator);
  std::string text;
  communicator.together([&] {
    if (!communicator.is_root()) return;
    const Faithfulness measured = measure_faithfulness(job, data, threads);
    text = to_markdown(measured.facts, measured.methods);
  });
  return text;
}

}  // namespace pulmo::training
