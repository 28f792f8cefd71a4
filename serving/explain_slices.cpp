#include "serving/explain_slices.h"

#include <chrono>
#include <opencv2/core.hpp>
#include <string>
#include <utility>

#include "core/model/volume_layout.h"
#include "core/support/elapsed.h"
#include "core/support/error.h"
#include "serving/pictures.h"
#include "serving/preparation.h"
#include "serving/reasons.h"
#include "serving/stacks.h"
#include "serving/verdict.h"

namespace pulmo::serving {
namespace {

using Clock = std::chrono::steady_clock;
using Indices = std::vector<std::size_t>;

constexpr const char* kNoGradients = "no_gradients";
constexpr double kInsideNodule = 0.5;      // p(nodule) of a pixel within the outline
constexpr double kSmoothing = 1.0 / 56.0;  // deviation of the Gaussian, of the side: single pixels are hard to see

/// The slices of a request on their way.
struct Slices {
  std::vector<SliceOutcome> outcomes;
  std::vector<PreprocessedSlice> ready;  ///< of each outcome; empty of a refused one

  Prediction& prediction(std::size_t i) { return std::get<Prediction>(outcomes[i]); }
};

/// A map of a stack, its slices one below the other.
struct Heat {
  cv::Mat map;
  const char* method;
};

SliceFailure refused(const std::string& name, const InvalidInput& error, const SlicePlace& place, Metrics& metrics) {
  const std::string code(slice_code(error.reason()));
  metrics.count_rejection(code);
  return {name, code, error.what(), place};
}

void prepare(Upload& upload, const BundleMetadata& metadata, const ExplainTools& tools, Slices& slices) {
  SlicePlace place;
  try {
    if (const auto& known = upload.refused) throw InvalidInput(known->code, known->message);
    PreparedSlice slice = prepare_slice(upload, tools.decoder, metadata.spec, place);
    Prediction prediction;
    prediction.place = place;
    describe(slice, upload.name, metadata, prediction);
    prediction.input = input_statistics(batch_of(slice.ready.image, metadata.channels).pixels, metadata.spec.mask);
    slices.outcomes.emplace_back(std::move(prediction));
    slices.ready.push_back(std::move(slice.ready));
  } catch (const InvalidInput& error) {
    slices.outcomes.emplace_back(refused(upload.name, error, place, tools.metrics));
    slices.ready.emplace_back();
  }
}

/// The slices that are judged together, in their order; none when none can be used, nullopt when they are of more than
/// one stack.
std::optional<Indices> one_stack(const std::vector<SliceOutcome>& outcomes, std::int64_t depth) {
  StackPlan plan = plan_stacks(outcomes, std::max<std::int64_t>(1, depth));
  if (plan.stacks.size() > 1) return std::nullopt;
  return plan.stacks.empty() ? Indices{} : std::move(plan.stacks.front());
}

cv::Mat stacked(const Indices& stack, const Slices& slices, cv::Mat PreprocessedSlice::*picture) {
  std::vector<cv::Mat> pictures;
  for (const std::size_t i : stack) pictures.push_back(slices.ready[i].*picture);
  cv::Mat below_each_other;
  cv::vconcat(pictures, below_each_other);
  return below_each_other;
}

/// What is explained, and how.
struct Task {
  const Predictor& predictor;
  cv::Mat image, lungs;  ///< of the stack
  ImageBatch batch;
  std::size_t k;
  ExplainMethod method;
};

// nullopt when it was told to stop.
std::optional<Heat> heat_of(const Task& task, const ExplainTools& tools) {
  const std::int64_t slices = task.image.rows / task.image.cols;
  const bool telling = task.method != ExplainMethod::kAuto || task.predictor.grad_cam_tells_places();
  if (task.method == ExplainMethod::kIntegratedGradients || !telling) {
    if (const auto map = task.predictor.integrated_gradients(task.batch, task.k, tools.keep_on)) {
      return Heat{blurred(part_of_slices(*map, slices), kSmoothing * map->cols), "integrated_gradients"};
    }
  } else if (task.method != ExplainMethod::kOcclusion) {
    if (const auto map = task.predictor.grad_cam(task.batch, task.k)) {
      return Heat{part_of_slices(*map, slices), "grad_cam"};
    }
  }
  if (!tools.keep_on()) return std::nullopt;
  if (task.method == ExplainMethod::kGradCam || task.method == ExplainMethod::kIntegratedGradients) {
    throw InvalidInput(kNoGradients, "this model has no gradients: ask for occlusion");
  }
  auto map = occlusion_map(task.predictor, task.image, task.lungs, task.k, tools.occlusion, tools.keep_on);
  if (!map) return std::nullopt;
  return Heat{std::move(*map), "occlusion"};
}

NoduleOutline nodule_of(const cv::Mat& probabilities) {
  const cv::Mat inside = probabilities >= kInsideNodule;
  NoduleOutline made;
  made.png = outline_png(inside, kNoduleColour);
  made.area_px = cv::countNonZero(inside);
  cv::minMaxLoc(probabilities, nullptr, &made.largest_probability);
  return made;
}

/// Of one slice, whose part of the map is `heat`; `highest` is that of the whole stack.
Explanation explanation_of(const PreprocessedSlice& ready, const cv::Mat& heat, double highest) {
  Explanation made;
  made.rows = heat.rows;
  made.columns = heat.cols;
  made.picture_png = grey_png(ready.image, 0.0, 65535.0);
  made.lungs_png = outline_png(ready.lungs, kLungColour);
  made.heat_png = heat_png(heat, highest);
  if (const auto summary = summarise_heat(heat, ready.lungs)) {
    made.peak = summary->peak;
    made.inside_lungs = summary->inside_lungs;
  }
  return made;
}

void tell(const Heat& heat, const Indices& stack, bool of_volumes, Slices& slices) {
  const std::vector<cv::Mat> parts = slices_of(heat.map);
  double highest = 0.0;
  cv::minMaxLoc(heat.map, nullptr, &highest);
  const double sum = cv::sum(heat.map)[0];
  for (std::size_t i = 0; i < stack.size(); ++i) {
    Prediction& prediction = slices.prediction(stack[i]);
    Explanation made = explanation_of(slices.ready[stack[i]], parts[i], highest);
    made.method = heat.method;
    made.class_name = prediction.class_name;
    if (of_volumes) {
      made.share = sum > 0.0 ? cv::sum(parts[i])[0] / sum : 0.0;
      prediction.stack = stack;
    }
    prediction.explanation = std::move(made);
  }
}

void tell_attention(const Task& task, const Indices& stack, Slices& slices) {
  const std::vector<double> weights = task.predictor.slice_weights(task.batch);
  if (weights.empty()) return;
  const auto first = static_cast<std::size_t>(
      first_place(static_cast<std::int64_t>(weights.size()), static_cast<std::int64_t>(stack.size())));
  for (std::size_t i = 0; i < stack.size(); ++i) slices.prediction(stack[i]).attention = weights.at(first + i);
}

/// False when it was told to stop.
bool judge_and_explain(const ServedModel& model, const Indices& stack, ExplainMethod method, const ExplainTools& tools,
                       Slices& slices) {
  const BundleMetadata& metadata = model.metadata();
  Task task{model.predictor(),
            stacked(stack, slices, &PreprocessedSlice::image),
            stacked(stack, slices, &PreprocessedSlice::lungs),
            {},
            0,
            method};
  task.batch = batch_of(task.image, metadata.channels, metadata.depth);
  Clock::time_point begin = Clock::now();
  const std::vector<double> probabilities = task.predictor.predict(task.batch);
  const double infer_s = seconds_since(begin);
  task.k = choose_class(metadata, probabilities);
  begin = Clock::now();
  const auto heat = heat_of(task, tools);
  if (!heat || !tools.keep_on()) return false;
  for (const std::size_t i : stack) judge(metadata, probabilities, slices.prediction(i));
  tell(*heat, stack, metadata.depth > 0, slices);
  tell_attention(task, stack, slices);
  if (const auto outlines = task.predictor.outlines(task.batch); !outlines.empty()) {
    slices.prediction(stack.front()).explanation->nodule = nodule_of(outlines.front());
  }
  const double explain_s = seconds_since(begin);
  for (const std::size_t i : stack) {
    slices.prediction(i).times.infer_s = infer_s;
    slices.prediction(i).times.explain_s = explain_s;
  }
  tools.metrics.observe_stage(Stage::kExplain, explain_s);
  return true;
}

}  // namespace

std::optional<ExplainMethod> parse_explain_method(std::string_view name) {
  if (name == "auto") return ExplainMethod::kAuto;
  if (name == "grad_cam") return ExplainMethod::kGradCam;
  if (name == "integrated_gradients") return ExplainMethod::kIntegratedGradients;
  if (name == "occlusion") return ExplainMethod::kOcclusion;
  return std::nullopt;
}

std::optional<Answer> explain_slices(const ServedModel& model, std::vector<Upload> uploads, ExplainMethod method,
                                     const ExplainTools& tools) {
  Slices slices;
  for (Upload& upload : uploads) {
    if (!tools.keep_on()) return std::nullopt;
    prepare(upload, model.metadata(), tools, slices);
  }
  const auto stack = one_stack(slices.outcomes, model.metadata().depth);
  if (!stack) {
    return ServiceFailure{"one_stack", "the slices of one series are explained together: these are of several"};
  }
  if (stack->empty()) return std::move(slices.outcomes);
  try {
    if (!judge_and_explain(model, *stack, method, tools, slices)) return std::nullopt;
  } catch (const InvalidInput& error) {
    if (error.reason() != kNoGradients) throw;  // the model's fault
    const SliceFailure failure = refused({}, error, {}, tools.metrics);
    for (const std::size_t i : *stack) {
      const Prediction& prediction = slices.prediction(i);
      slices.outcomes[i] = SliceFailure{prediction.name, failure.code, failure.message, prediction.place};
    }
  }
  return std::move(slices.outcomes);
}

}  // namespace pulmo::serving
