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

/// One sample, of a volume the n slices that there are, one below the other; and what the bundle decides for it.
struct Subject {
  cv::Mat image;    ///< (n*S,S) CV_16UC1
  cv::Mat lungs;    ///< (n*S,S) CV_8UC1
  cv::Mat outline;  ///< (n*S,S) CV_8UC1, readers who outlined the pixel; empty where the shards store none
  std::size_t k = 0;

  std::int64_t slices() const { return image.rows / image.cols; }
};

/// (rows,width) of values that fill whole rows; what is left over stays away: all channels show the same.
template <typename Value>
cv::Mat rows_of(std::vector<Value>& values, std::int64_t rows, std::int64_t width) {
  return cv::Mat(static_cast<int>(rows), static_cast<int>(width), cv::DataType<Value>::type, values.data());
}

/// Adds a stored slice, or the slices of a stored volume.
void add_stored(const SampleId& id, LungMasking mask, Subject& subject) {
  const auto& [shard, row] = id;
  const SampleShape& shape = shard->info().shape;
  const std::int64_t rows = std::max<std::int64_t>(1, shape.depth) * shape.height;
  std::vector<std::uint16_t> pixels(static_cast<std::size_t>(shape.elements()));
  shard->read_image(row, pixels);
  const cv::Mat image = rows_of(pixels, rows, shape.width);
  subject.image.push_back(image);
  std::vector<std::uint8_t> lungs = shard->read_lungs(row), outline = shard->read_nodules(row);
  if (lungs.size() == image.total()) {
    subject.lungs.push_back(rows_of(lungs, rows, shape.width));
  } else {
    subject.lungs.push_back(cv::Mat(mask == LungMasking::kNone ? image >= 0 : image > 0));
  }
  if (outline.size() == image.total()) subject.outline.push_back(rows_of(outline, rows, shape.width));
}

Subject read_subject(const Predictor& predictor, const PreparedData& data, const Dataset& samples, std::int64_t index) {
  const BundleMetadata& metadata = predictor.metadata();
  Subject subject;
  for (const SampleId& id : samples.ids(index)) add_stored(id, metadata.spec.mask, subject);
  if (subject.outline.size() != subject.image.size()) subject.outline.release();
  const auto probabilities = predictor.predict(batch_of(subject.image, metadata.channels, metadata.depth));
  subject.k = static_cast<std::size_t>(decide(probabilities, data.classes.positive, metadata.threshold));
  return subject;
}

std::optional<cv::Mat> map_of(const Predictor& predictor, const Subject& subject, const std::string& method) {
  if (method == kOcclusion) {
    return occlusion_map(predictor, subject.image, subject.lungs, subject.k, {}, [] { return true; });
  }
  const ImageBatch batch = batch_of(subject.image, predictor.metadata().channels, predictor.metadata().depth);
  const auto map =
      method == kGradCam ? predictor.grad_cam(batch, subject.k) : predictor.integrated_gradients(batch, subject.k);
  if (!map) return std::nullopt;
  return part_of_slices(*map, subject.slices());
}

cv::Mat centre_map(const Subject& subject) {
  return cv::repeat(closeness_to_centre({subject.image.cols, subject.image.cols}), static_cast<int>(subject.slices()),
                    1);
}

std::vector<std::string> methods_of(const FaithfulnessJob& job, const Predictor& predictor, const Subject& subject) {
  const auto has = [&](const std::string& method) {
    return method == kOcclusion || map_of(predictor, subject, method);
  };
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

/// `share` is that of the sample in the mean curves.
void measure(const Predictor& predictor, const Subject& subject, std::uint64_t seed, double share, Scores& scores) {
  scores.curves.resize(scores.methods.size());
  for (std::size_t i = 0; i < scores.methods.size(); ++i) {
    MethodScores& one = scores.methods[i];
    // A map of one value is in random order; what of it lies inside is the outline's share of the picture.
    cv::Mat map(subject.image.size(), CV_32FC1, cv::Scalar(1.0));
    const bool is_centre = one.name == kCentreOrder;
    if (is_centre) map = centre_map(subject);
    if (!is_centre && one.name != kRandomOrder) map = map_of(predictor, subject, one.name).value();
    const auto order = order_of(map, derive_seed(seed, "faithfulness." + one.name));
    const Curves curves = curves_of(predictor, subject.image, subject.k, order);
    add(one, curves, is_centre ? std::numeric_limits<double>::quiet_NaN() : share_inside(map, subject.outline));
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
                           std::int64_t of, const std::vector<std::string>& patients) {
  const BundleMetadata& metadata = predictor.metadata();
  return {metadata.row,
          std::string(to_string(job.split)),
          predictor.sha256(),
          data.digest,
          data.manifest.phantom || metadata.phantom,
          patients.size(),
          static_cast<std::size_t>(of),
          std::set<std::string>(patients.begin(), patients.end()).size(),
          job.bootstrap,
          metadata.depth};
}

Faithfulness measure_all(const FaithfulnessJob& job, const PreparedData& data, const Predictor& predictor) {
  const std::int64_t depth = predictor.metadata().depth;
  const Dataset& stored = data.split(job.split);
  const bool stacks = depth > 0 && stored.shape().depth == 0;
  const Dataset samples = stacks ? stored.stacked(depth) : stored;
  const std::int64_t count = std::min(job.samples, samples.size());
  Scores scores;
  std::vector<std::string> patients;
  Told told(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t index = i * samples.size() / count;
    const Subject subject = read_subject(predictor, data, samples, index);
    if (i == 0) {
      for (const std::string& method : methods_of(job, predictor, subject)) {
        scores.methods.push_back({method, {}, {}, {}});
      }
      for (const char* baseline : {kRandomOrder, kCentreOrder}) scores.methods.push_back({baseline, {}, {}, {}});
    }
    patients.push_back(samples.patient(index));
    measure(predictor, subject,
            derive_seed(job.bootstrap.seed, "faithfulness", 0, 0, static_cast<std::uint64_t>(index)),
            1.0 / static_cast<double>(count), scores);
    told.done(i + 1);
  }
  return {facts_of(job, data, predictor, samples.size(), patients), data.fold,
          summarise(scores.methods, patients, job.bootstrap), std::move(scores.curves)};
}

}  // namespace

const std::vector<std::string>& explanation_methods() {
  static const std::vector<std::string> names = {kGradCam, kIntegrated, kOcclusion};
  return names;
}

Faithfulness measure_faithfulness(const FaithfulnessJob& job, const PreparedData& data, int threads) {
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
