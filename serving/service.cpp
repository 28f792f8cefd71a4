#include "serving/service.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "serving/reasons.h"
#include "serving/unusual.h"

namespace pulmo::serving {
namespace {

constexpr double kLittleLung = 0.05;  // of the picture: the slice lies at an end of the lungs, or is no axial chest CT
constexpr double kPictureSide = 512;  // pixels of a picture for people
constexpr double kNearThreshold = 0.05;  // probabilities so close to the operating point could go either way

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

int worker_count(int wanted) {
  if (wanted > 0) return wanted;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// (S,S) pixels as one sample (C,S,S): the grey plane stands for each channel.
std::vector<std::uint16_t> to_sample(const cv::Mat& image, std::int64_t channels) {
  const cv::Mat plane = image.isContinuous() ? image : image.clone();
  const auto* first = plane.ptr<std::uint16_t>();
  std::vector<std::uint16_t> sample;
  sample.reserve(plane.total() * static_cast<std::size_t>(channels));
  for (std::int64_t c = 0; c < channels; ++c) sample.insert(sample.end(), first, first + plane.total());
  return sample;
}

/// Values in [low, high] as 8-bit grey.
Bytes to_png(const cv::Mat& image, double low, double high) {
  cv::Mat grey;
  const double scale = 255.0 / (high - low);
  image.convertTo(grey, CV_8U, scale, -low * scale);
  const double shrink = kPictureSide / std::max(grey.rows, grey.cols);
  if (shrink < 1.0) cv::resize(grey, grey, {}, shrink, shrink, cv::INTER_AREA);
  std::vector<unsigned char> encoded;
  cv::imencode(".png", grey, encoded);
  const ByteView bytes = std::as_bytes(std::span(encoded));
  return {bytes.begin(), bytes.end()};
}

void draw(const pulmo::Slice& slice, const PreprocessedSlice& ready, const PreprocessSpec& spec,
          Prediction& prediction) {
  prediction.preview_png = to_png(ready.image, 0.0, 65535.0);
  // A browser shows PNG and JPEG by itself.
  if (slice.kind == PixelKind::kHounsfield) {
    prediction.picture_png = to_png(slice.pixels, spec.window_low_hu, spec.window_high_hu);
  }
}

std::size_t positive_index(const BundleMetadata& metadata) {
  const auto& names = metadata.class_names;
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), metadata.positive_class) - names.begin());
}

void add_warnings(const BundleMetadata& metadata, bool lossy, Prediction& prediction) {
  auto& warnings = prediction.warnings;
  warnings = unusual_input(metadata.reference, prediction.input);
  prediction.unusual = !warnings.empty();
  if (metadata.phantom)
    warnings.emplace_back("this model was trained on a synthetic phantom: it knows no real patient");
  if (prediction.kind == PixelKind::kGrey) {
    warnings.emplace_back(
        "a picture holds grey values, not Hounsfield units: they are taken as a chest slice in a lung window");
  }
  if (lossy) warnings.emplace_back("JPEG compression loses detail: send DICOM or PNG where you can");
  if (metadata.spec.mask == LungMasking::kLungs && prediction.lung_fraction < kLittleLung) {
    warnings.emplace_back("little lung in this slice: the prediction rests on few pixels");
  }
  const std::size_t positive = positive_index(metadata);
  if (positive < prediction.probabilities.size() &&
      std::abs(prediction.probabilities[positive] - metadata.threshold) < kNearThreshold) {
    warnings.emplace_back("the probability is close to the operating point: it could go either way");
  }
}

}  // namespace

std::size_t choose_class(const BundleMetadata& metadata, const std::vector<double>& probabilities) {
  const std::size_t positive = positive_index(metadata);
  if (positive < probabilities.size() && probabilities[positive] >= metadata.threshold) return positive;
  std::size_t best = positive == 0 && probabilities.size() > 1 ? 1 : 0;
  for (std::size_t k = best + 1; k < probabilities.size(); ++k) {
    if (k != positive && probabilities[k] > probabilities[best]) best = k;
  }
  return best;
}

/// Collects the outcomes of one call of predict().
struct Service::Request {
  std::mutex mutex;
  std::vector<SliceOutcome> outcomes;
  std::optional<ServiceFailure> failure;
  std::size_t remaining = 0;
  std::shared_ptr<ServedModel> model;
  PredictOptions options;
  Clock::time_point deadline;
  Done done;

  void settle(std::size_t index, SliceOutcome outcome) {
    {
      const std::lock_guard lock(mutex);
      outcomes[index] = std::move(outcome);
    }
    count_down();
  }
  void fail(std::string code, std::string message) {
    {
      const std::lock_guard lock(mutex);
      if (!failure) failure = ServiceFailure{std::move(code), std::move(message)};
    }
    count_down();
  }

 private:
  void count_down() {
    {
      const std::lock_guard lock(mutex);
      if (--remaining > 0) return;
    }
    if (failure) {
      done(std::move(*failure));
    } else {
      done(std::move(outcomes));
    }
  }
};

/// One slice on its way; its end gives its room back.
struct Service::Slice {
  Slice(Service& service_, std::shared_ptr<Request> request_, std::size_t index_, Upload upload_)
      : service(service_), request(std::move(request_)), index(index_), upload(std::move(upload_)) {
    request->model->batcher().expect(1);
  }
  ~Slice() {
    if (announced) request->model->batcher().expect(-1);
    give_room_back();
  }
  Slice(const Slice&) = delete;
  Slice& operator=(const Slice&) = delete;

  // The room is free before the client hears of it: its next request must find it.
  void settle(SliceOutcome outcome) {
    give_room_back();
    request->settle(index, std::move(outcome));
  }
  void fail(std::string code, std::string message) {
    give_room_back();
    request->fail(std::move(code), std::move(message));
  }
  void give_room_back() {
    if (holds_room) --service.in_progress_;
    holds_room = false;
  }

  Service& service;
  std::shared_ptr<Request> request;
  std::size_t index;
  Upload upload;
  bool announced = true;   ///< the batcher waits for it
  bool holds_room = true;  ///< it counts in in_progress_
  bool prepared = false;   ///< came as a sample: nothing is known of a picture
  bool lossy = false;
  Prediction prediction;
};

Service::Service(ModelRepository& models, const ServiceOptions& options, Metrics& metrics)
    : models_(models), options_(options), metrics_(metrics), pool_(worker_count(options.workers)) {}

Service::~Service() {
  close();
}

void Service::close() {
  pool_.close();
  models_.close();
}

bool Service::has_room() const {
  return in_progress_.load() < options_.capacity;
}

bool Service::take_room(std::size_t slices) {
  std::size_t used = in_progress_.load();
  do {
    if (slices > options_.capacity || used > options_.capacity - slices) return false;
  } while (!in_progress_.compare_exchange_weak(used, used + slices));
  return true;
}

void Service::predict(std::shared_ptr<ServedModel> model, std::vector<Upload> uploads, const PredictOptions& options,
                      Done done) {
  if (!take_room(uploads.size())) {
    done(ServiceFailure{"queue_full", "the server is busy: try again in a moment"});
    return;
  }
  const auto request = std::make_shared<Request>();
  request->outcomes.resize(uploads.size());
  request->remaining = uploads.size();
  request->model = std::move(model);
  request->options = options;
  request->deadline = Clock::now() + options_.deadline;
  request->done = std::move(done);
  for (std::size_t i = 0; i < uploads.size(); ++i) {
    auto slice = std::make_shared<Slice>(*this, request, i, std::move(uploads[i]));
    if (!pool_.submit([this, slice] { prepare(slice); })) {
      slice->fail("shutting_down", "the server is shutting down");
    }
  }
}

void Service::prepare(const std::shared_ptr<Slice>& slice) {
  try {
    if (Clock::now() > slice->request->deadline) {
      slice->fail("deadline", "the server is busy: the slice waited too long; try again");
      return;
    }
    std::vector<std::uint16_t> ready = std::move(slice->upload.sample);
    slice->prepared = !ready.empty();
    submit(slice, slice->prepared ? std::move(ready) : decode_and_preprocess(*slice));
  } catch (const InvalidInput& error) {
    refuse(*slice, std::string(slice_code(error.reason())), error.what());
  } catch (const std::exception& error) {
    log_error("a slice could not be prepared", {{"error", error.what()}});
    slice->fail("internal", "internal error: see the server's log");
  }
}

std::vector<std::uint16_t> Service::decode_and_preprocess(Slice& slice) {
  const BundleMetadata& metadata = slice.request->model->metadata();
  Prediction& prediction = slice.prediction;
  prediction.name = slice.upload.name;
  Clock::time_point begin = Clock::now();
  const pulmo::Slice decoded = decode_slice(slice.upload.data, slice.upload.name, options_.decode);
  slice.lossy = sniff_format(slice.upload.data) == ImageFormat::kJpeg;
  slice.upload.data = {};
  prediction.times.decode_s = seconds_since(begin);
  metrics_.observe_stage(Stage::kDecode, prediction.times.decode_s);

  begin = Clock::now();
  const PreprocessedSlice ready = preprocess(decoded, metadata.spec);
  prediction.times.preprocess_s = seconds_since(begin);
  metrics_.observe_stage(Stage::kPreprocess, prediction.times.preprocess_s);
  prediction.kind = ready.kind;
  prediction.lung_fraction = ready.lung_fraction;
  if (slice.request->options.preview) draw(decoded, ready, metadata.spec, prediction);
  std::vector<std::uint16_t> sample = to_sample(ready.image, metadata.channels);
  prediction.input = input_statistics(sample, metadata.spec.mask);
  return sample;
}

void Service::submit(const std::shared_ptr<Slice>& slice, std::vector<std::uint16_t> pixels) {
  slice->announced = false;  // submit() takes the announcement back, whatever it answers
  Batcher& batcher = slice->request->model->batcher();
  const auto answer = batcher.submit(std::move(pixels), slice->request->deadline,
                                     [this, slice](const BatchOutcome& outcome) { finish(slice, outcome); });
  if (answer == Batcher::Submitted::kFull) slice->fail("queue_full", "the server is busy: try again");
  if (answer == Batcher::Submitted::kClosed) slice->fail("shutting_down", "the server is shutting down");
}

void Service::finish(const std::shared_ptr<Slice>& slice, const BatchOutcome& outcome) {
  if (const auto* result = std::get_if<BatchResult>(&outcome)) {
    succeed(*slice, *result);
    return;
  }
  switch (std::get<BatchFailure>(outcome)) {
    case BatchFailure::kDeadline:
      slice->fail("deadline", "the server is busy: the slice waited too long; try again");
      break;
    case BatchFailure::kClosed: slice->fail("shutting_down", "the server is shutting down"); break;
    case BatchFailure::kModel: slice->fail("model_failed", "the model failed: see the server's log"); break;
  }
}

void Service::succeed(Slice& slice, const BatchResult& result) {
  const BundleMetadata& metadata = slice.request->model->metadata();
  Prediction& prediction = slice.prediction;
  prediction.probabilities = result.probabilities;
  prediction.class_name = metadata.class_names.at(choose_class(metadata, result.probabilities));
  prediction.times.queue_s = result.queue_s;
  prediction.times.infer_s = result.infer_s;
  if (!slice.prepared) add_warnings(metadata, slice.lossy, prediction);
  metrics_.observe_stage(Stage::kQueue, result.queue_s);
  ModelMetrics& model_metrics = slice.request->model->metrics();
  model_metrics.count_prediction(prediction.class_name);
  const std::size_t positive = positive_index(metadata);
  if (positive < result.probabilities.size() && !slice.prepared) {
    model_metrics.observe_slice(result.probabilities[positive], prediction.input);
  }
  slice.settle(std::move(prediction));
}

void Service::refuse(Slice& slice, const std::string& code, const std::string& message) {
  metrics_.count_rejection(code);
  slice.settle(SliceFailure{slice.upload.name, code, message});
}

}  // namespace pulmo::serving
