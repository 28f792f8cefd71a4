#include "serving/explainer.h"

#include <exception>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "core/support/elapsed.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "serving/isolation/priority.h"
#include "serving/pictures.h"
#include "serving/preparation.h"
#include "serving/reasons.h"
#include "serving/verdict.h"

namespace pulmo::serving {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kInsideNodule = 0.5;      // p(nodule) of a pixel within the outline
constexpr double kSmoothing = 1.0 / 56.0;  // deviation of the Gaussian, of the side: single pixels are hard to see

ServiceFailure shutting_down() {
  return {"shutting_down", "the server is shutting down"};
}

ServiceFailure too_late() {
  return {"deadline", "the server is busy: the explanation took too long; try again"};
}

Explanation explanation_of(const PreprocessedSlice& ready, const cv::Mat& heat, const char* method) {
  Explanation made;
  made.method = method;
  made.rows = heat.rows;
  made.columns = heat.cols;
  made.picture_png = grey_png(ready.image, 0.0, 65535.0);
  made.lungs_png = outline_png(ready.lungs, kLungColour);
  made.heat_png = heat_png(heat);
  if (const auto summary = summarise_heat(heat, ready.lungs)) {
    made.peak = summary->peak;
    made.inside_lungs = summary->inside_lungs;
  }
  return made;
}

NoduleOutline nodule_of(const cv::Mat& probabilities) {
  const cv::Mat inside = probabilities >= kInsideNodule;
  NoduleOutline made;
  made.png = outline_png(inside, kNoduleColour);
  made.area_px = cv::countNonZero(inside);
  cv::minMaxLoc(probabilities, nullptr, &made.largest_probability);
  return made;
}

cv::Mat smoothed(const cv::Mat& map) {
  cv::Mat result;
  cv::GaussianBlur(map, result, {}, kSmoothing * map.cols);
  return result;
}

}  // namespace

std::optional<ExplainMethod> parse_explain_method(std::string_view name) {
  if (name == "auto") return ExplainMethod::kAuto;
  if (name == "grad_cam") return ExplainMethod::kGradCam;
  if (name == "integrated_gradients") return ExplainMethod::kIntegratedGradients;
  if (name == "occlusion") return ExplainMethod::kOcclusion;
  return std::nullopt;
}

Explainer::Explainer(const ExplainOptions& options, std::shared_ptr<const Decoder> decoder, Metrics& metrics)
    : options_(options), decoder_(std::move(decoder)), metrics_(metrics) {
  for (int i = 0; i < options.threads; ++i) threads_.emplace_back([this] { run(); });
}

Explainer::~Explainer() {
  close();
}

void Explainer::explain(std::shared_ptr<ServedModel> model, Upload upload, ExplainMethod method, Done done) {
  std::optional<ServiceFailure> failure;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      failure = shutting_down();
    } else if (queue_.size() >= options_.queue) {
      failure = ServiceFailure{"queue_full", "the server is busy explaining: try again in a moment"};
    } else {
      queue_.push_back(
          {std::move(model), std::move(upload), method, Clock::now() + options_.deadline, std::move(done)});
    }
  }
  if (failure) {
    done(std::move(*failure));
  } else {
    changed_.notify_one();
  }
}

bool Explainer::has_room() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() < options_.queue;
}

std::size_t Explainer::in_progress() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + running_;
}

void Explainer::close() {
  std::deque<Task> abandoned;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    abandoned.swap(queue_);
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (Task& task : abandoned) task.done(shutting_down());
  for (std::thread& thread : threads) thread.join();
}

void Explainer::run() {
  lower_priority(kExplanationNiceness);  // and of LibTorch's threads, which it starts
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (closed_) return;
    Task task = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    Outcome outcome = outcome_of(task);
    lock.lock();
    --running_;  // the room is free before the client hears of it
    lock.unlock();
    task.done(std::move(outcome));
    task = {};
    lock.lock();
  }
}

Explainer::Outcome Explainer::outcome_of(Task& task) {
  SlicePlace place;
  try {
    return make(task, place);
  } catch (const InvalidInput& error) {
    const std::string code(slice_code(error.reason()));
    metrics_.count_rejection(code);
    return SliceFailure{task.upload.name, code, error.what(), place};
  } catch (const DecoderUnavailable& error) {
    log_error("a slice could not be decoded", {{"error", error.what()}});
    return ServiceFailure{"decoder_unavailable", "the server cannot decode pictures at the moment: try again"};
  } catch (const std::exception& error) {
    log_error("a slice could not be explained", {{"error", error.what()}});
    return ServiceFailure{"internal", "internal error: see the server's log"};
  }
}

bool Explainer::keeps_on(const Task& task) const {
  return !closed_ && Clock::now() <= task.deadline;
}

// nullopt when it was told to stop.
std::optional<Explainer::Heat> Explainer::heat_of(const Task& task, const PreprocessedSlice& ready,
                                                  const ImageBatch& image, std::size_t k) const {
  const Predictor& predictor = task.model->predictor();
  const bool flattens = task.method == ExplainMethod::kAuto && !predictor.averages_maps();
  if (task.method == ExplainMethod::kIntegratedGradients || flattens) {
    if (const auto map = predictor.integrated_gradients(image, k)) return Heat{smoothed(*map), "integrated_gradients"};
  } else if (task.method != ExplainMethod::kOcclusion) {
    if (auto map = predictor.grad_cam(image, k)) return Heat{std::move(*map), "grad_cam"};
  }
  if (task.method == ExplainMethod::kGradCam || task.method == ExplainMethod::kIntegratedGradients) {
    throw InvalidInput("no_gradients", "this model has no gradients: ask for occlusion");
  }
  auto map = occlusion_map(predictor, ready.image, ready.lungs, k, options_.occlusion, [&] { return keeps_on(task); });
  if (!map) return std::nullopt;
  return Heat{std::move(*map), "occlusion"};
}

Explainer::Outcome Explainer::make(Task& task, SlicePlace& place) {
  if (!keeps_on(task)) return closed_ ? shutting_down() : too_late();
  if (const auto& refused = task.upload.refused) throw InvalidInput(refused->code, refused->message);
  const Predictor& predictor = task.model->predictor();
  const BundleMetadata& metadata = task.model->metadata();
  const PreparedSlice slice = prepare_slice(task.upload, *decoder_, metadata.spec, place);
  Prediction prediction;
  prediction.place = place;
  describe(slice, task.upload.name, metadata, prediction);

  Clock::time_point begin = Clock::now();
  const ImageBatch image = batch_of(slice.ready.image, metadata.channels, metadata.depth);
  prediction.input = input_statistics(batch_of(slice.ready.image, metadata.channels).pixels, metadata.spec.mask);
  judge(metadata, predictor.predict(image), prediction);
  prediction.times.infer_s = seconds_since(begin);

  begin = Clock::now();
  const std::size_t k = choose_class(metadata, prediction.probabilities);
  const auto heat = heat_of(task, slice.ready, image, k);
  if (!heat || !keeps_on(task)) return closed_ ? shutting_down() : too_late();
  prediction.explanation = explanation_of(slice.ready, heat->map, heat->method);
  prediction.explanation->class_name = prediction.class_name;
  if (const auto outlines = predictor.outlines(image); !outlines.empty()) {
    prediction.explanation->nodule = nodule_of(outlines.front());
  }
  prediction.times.explain_s = seconds_since(begin);
  metrics_.observe_stage(Stage::kExplain, *prediction.times.explain_s);
  return prediction;
}

}  // namespace pulmo::serving
