#include "serving/stacked_prediction.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/model/volume_layout.h"
#include "core/support/log.h"
#include "serving/stacks.h"
#include "serving/verdict.h"

namespace pulmo::serving {
namespace {

/// One request between its steps.
struct Stacked {
  std::shared_ptr<ServedModel> model;
  PredictOptions options;  ///< of its volumes
  Service::Done done;
  std::vector<SliceOutcome> slices;
  StackPlan plan;

  const BundleMetadata& metadata() const { return model->metadata(); }
  std::vector<std::uint16_t> volume(std::size_t stack) const {
    return volume_of(plan.stacks.at(stack), slices, metadata());
  }
};

void judge_slices(Stacked& request, const std::vector<SliceOutcome>& verdicts) {
  const std::size_t positive = positive_index(request.metadata());
  for (std::size_t i = 0; i < request.slices.size(); ++i) {
    if (!request.plan.stack_of[i]) continue;
    auto& slice = std::get<Prediction>(request.slices[i]);
    const auto& verdict = std::get<Prediction>(verdicts.at(*request.plan.stack_of[i]));
    judge(request.metadata(), verdict.probabilities, slice);
    slice.stack = request.plan.stacks[*request.plan.stack_of[i]];
    slice.times.queue_s = verdict.times.queue_s;
    slice.times.infer_s = verdict.times.infer_s;
    request.model->metrics().count_prediction(slice.class_name);
    if (positive < slice.probabilities.size()) {
      request.model->metrics().observe_slice(slice.probabilities[positive], slice.input);
    }
  }
}

double score_of(const SliceOutcome& verdict, std::size_t positive) {
  const auto& probabilities = std::get<Prediction>(verdict).probabilities;
  return positive < probabilities.size() ? probabilities[positive] : 0.0;
}

void weigh_slices(Stacked& request, const std::vector<SliceOutcome>& verdicts) {
  const BundleMetadata& metadata = request.metadata();
  const std::size_t positive = positive_index(metadata);
  for (const std::vector<std::size_t>& group : request.plan.groups) {
    const std::size_t stack = *std::max_element(group.begin(), group.end(), [&](std::size_t a, std::size_t b) {
      return score_of(verdicts[a], positive) < score_of(verdicts[b], positive);
    });
    const ImageBatch volume{
        1, metadata.channels, metadata.spec.size_px, metadata.spec.size_px, request.volume(stack), metadata.depth};
    const std::vector<double> weights = request.model->predictor().slice_weights(volume);
    if (weights.empty()) return;
    const std::vector<std::size_t>& members = request.plan.stacks[stack];
    const auto first = static_cast<std::size_t>(first_place(metadata.depth, static_cast<std::int64_t>(members.size())));
    for (std::size_t i = 0; i < members.size(); ++i) {
      std::get<Prediction>(request.slices[members[i]]).attention = weights[first + i];
    }
  }
}

void finish(Stacked& request, Answer answer) {
  if (auto* failure = std::get_if<ServiceFailure>(&answer)) {
    request.done(std::move(*failure));
    return;
  }
  try {
    const auto& verdicts = std::get<std::vector<SliceOutcome>>(answer);
    judge_slices(request, verdicts);
    weigh_slices(request, verdicts);
    for (SliceOutcome& slice : request.slices) {
      if (auto* prediction = std::get_if<Prediction>(&slice)) prediction->sample = {};
    }
    request.done(std::move(request.slices));
  } catch (const std::exception& error) {
    log_error("a stack could not be judged", {{"error", error.what()}});
    request.done(ServiceFailure{"internal", "internal error: see the server's log"});
  }
}

std::vector<Upload> volumes_of(const std::shared_ptr<Stacked>& request) {
  const StackPlan& plan = request->plan;
  std::vector<Upload> volumes(plan.stacks.size());
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    volumes[i].compose = [request, i] { return request->volume(i); };
    volumes[i].slices = static_cast<std::size_t>(std::count(plan.stack_of.begin(), plan.stack_of.end(), i));
  }
  return volumes;
}

void predict_prepared(Service& service, const std::shared_ptr<Stacked>& request) {
  request->plan = plan_stacks(request->slices, request->metadata().depth);
  service.predict(request->model, volumes_of(request), request->options, [&service, request](Answer answer) {
    const auto shared = std::make_shared<Answer>(std::move(answer));  // not on the model's own thread
    service.run([request, shared] { finish(*request, std::move(*shared)); },
                [request] {
                  request->done(ServiceFailure{"shutting_down", "the server is shutting down"});
                });
  });
}

}  // namespace

void predict_stacks(Service& service, std::shared_ptr<ServedModel> model, std::vector<Upload> uploads,
                    const PredictOptions& options, Service::Done done) {
  PredictOptions volumes;  // both steps are cancelled, and counted, by the one progress
  volumes.progress = options.progress;
  volumes.room = options.room == Room::kOwn ? Room::kOwn : Room::kQueueOrNot;  // that of its slices is free again
  const auto request = std::make_shared<Stacked>(Stacked{std::move(model), volumes, std::move(done), {}, {}});
  PredictOptions preparing = options;
  preparing.prepare_only = true;
  service.predict(request->model, std::move(uploads), preparing, [&service, request](Answer answer) {
    if (auto* failure = std::get_if<ServiceFailure>(&answer)) {
      request->done(std::move(*failure));
      return;
    }
    request->slices = std::move(std::get<std::vector<SliceOutcome>>(answer));
    predict_prepared(service, request);
  });
}

}  // namespace pulmo::serving
