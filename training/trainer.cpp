#include "training/trainer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/model/backbone.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "training/diverged.h"
#include "training/norm_calibration.h"

namespace pulmo::training {
namespace {

constexpr std::int64_t kMebibyte = 1 << 20;

std::int64_t image_bytes(const Dataset& dataset) {
  return dataset.size() * dataset.shape().elements() * static_cast<std::int64_t>(sizeof(std::uint16_t));
}

// What the training images leave of the budget.
std::int64_t left_for_validation(const TrainerInput& input) {
  return std::max<std::int64_t>(0, input.options.compute.cache_mib * kMebibyte - image_bytes(input.data.train));
}

std::vector<double> class_weights(const TrainerInput& input) {
  const std::size_t classes = input.data.classes.names.size();
  std::vector<double> weights(classes, 1.0);
  if (input.options.training.class_weights == ClassWeights::kNone) return weights;
  const auto counts = input.data.train.class_counts(classes);
  const double all = static_cast<double>(input.data.train.size());
  for (std::size_t k = 0; k < classes; ++k) {
    if (counts[k] > 0) weights[k] = all / (static_cast<double>(classes) * static_cast<double>(counts[k]));
  }
  return weights;
}

std::int64_t steps_per_epoch(const TrainerInput& input) {
  const std::int64_t batch = input.options.training.batch_size;
  return (input.data.train.size() + batch - 1) / batch;
}

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

std::optional<OutlineRecord> outlines_of(const Meter& training, const Validation& validation) {
  if (!validation.outlines) return std::nullopt;
  return OutlineRecord{training.mean_outline_loss(), validation.outlines->loss, validation.outlines->dice};
}

std::uint64_t fingerprint(const std::vector<torch::Tensor>& tensors) {
  Sha256 digest;
  for (const torch::Tensor& tensor : tensors) {
    const torch::Tensor host = tensor.to(torch::kCPU);
    digest.update(std::as_bytes(std::span(static_cast<const char*>(host.data_ptr()), host.nbytes())));
  }
  return std::stoull(digest.hex().substr(0, 16), nullptr, 16);
}

// The backbone learns later and slower than the classifier, which begins from nothing.
std::vector<LearningPace> paces(const TrainerInput& input, const Weights& weights) {
  const TransferOptions& transfer = input.options.transfer;
  const LearningPace late{transfer.backbone_rate, transfer.frozen_epochs * steps_per_epoch(input)};
  const bool pretrained = weights_file(input.options) != kNoWeights;
  std::vector<LearningPace> result;
  for (const std::string& name : weights.names()) {
    result.push_back(pretrained && weights.network().is_backbone(name) ? late : LearningPace{});
  }
  return result;
}

std::unique_ptr<GradientSync> make_sync(const TrainerInput& input) {
  if (input.communicator.size() == 1) return make_local_sync();
  const ExchangeOptions& options = input.options.exchange;
  const bool overlap =
      options.overlap == ExchangeChoice::kOn || (options.overlap == ExchangeChoice::kAuto && input.spare_core);
  return make_mpi_sync(input.communicator, options.type, overlap);
}

}  // namespace

std::shared_ptr<Network> first_network(const NetworkOptions& options, const FitOptions& fit) {
  auto network = make_network(options);
  if (!has_backbone(*network)) return network;
  const std::string file = named_weights(fit);
  if (file != kNoWeights) load_backbone(*network, file);
  return network;
}

Trainer::Trainer(const TrainerInput& input)
    : input_(input),
      weights_(first_network(input.network, input.options), input.precision, input.device),
      paces_(paces(input, weights_)),
      adam_(weights_, input.options.adam, paces_),
      average_(weights_, input.options.training.ema_decay),
      sync_(make_sync(input)),
      step_({weights_, adam_, *sync_, input.data.manifest.shape, class_weights(input),
             factored_layers(weights_.network(), input.options.exchange.factors, input.options.training.batch_size,
                             input.communicator.size()),
             input.options.training.focal_gamma, input.options.model.outline_weight,
             input.options.training.accumulate}),
      train_cache_(input.data.train, input.options.compute.cache_mib * kMebibyte),
      validation_cache_(input.data.validation, left_for_validation(input)),
      store_(input.folder / "checkpoints", input.options.checkpoint.keep) {
  if (learns_outlines(input.network.name)) {
    outlines_.emplace(input.data.train);
    validation_outlines_.emplace(input.data.validation);
  }
  if (input.communicator.is_root()) line_.emplace(input.progress);
}

void Trainer::resume(Checkpoint checkpoint) {
  weights_.restore(checkpoint.weights);
  adam_.restore(checkpoint.moments, checkpoint.adam_steps);
  progress_ = checkpoint.progress;
  best_ = checkpoint.best;
  best_weights_ = std::move(checkpoint.best_weights);
  average_.restore(checkpoint.average);
  saved_at_ = {progress_.epoch, progress_.step};
}

void Trainer::run() {
  input_.communicator.together([&] {
    if (input_.communicator.is_root()) log_.emplace(input_.folder / "log.jsonl", progress_.epoch + 1);
  });
  begin_watch();
  if (progress_.global_step == 0) calibrate();
  while (!progress_.finished) {
    train_epoch();
    const auto start = Clock::now();
    const Validation validation = validate_epoch();
    finish_epoch(validation, Clock::now() - start);
  }
}

void Trainer::calibrate() {
  const bool pretrained = weights_file(input_.options) != kNoWeights;
  calibrate_first_weights(weights_, input_.network, input_.data.train, pretrained, input_.communicator);
  if (average_.exists()) average_.restore(weights_.snapshot());
}

void Trainer::train_epoch() {
  const TrainingOptions& training = input_.options.training;
  const EpochPlan plan(epoch_order(training.seed, progress_.epoch, input_.data.train.size()), training.batch_size);
  const auto ahead = static_cast<std::size_t>(input_.options.compute.prefetch_batches);
  BatchLoader loader(
      train_cache_, input_.data.train, coming_shares(plan),
      {input_.options.augmentation, training.seed, progress_.epoch, ahead, outlines_ ? &*outlines_ : nullptr});
  const double waited_before = progress_.epoch_wait;
  while (progress_.step < plan.steps()) {
    const auto start = Clock::now();
    StepRecord record;
    record.learning_rate = current_rate();
    record.images = static_cast<std::int64_t>(plan.global_batch(progress_.step).size());
    record.loss = train_step(plan, loader);
    record.seconds = seconds(Clock::now() - start);
    record.input_wait_seconds = waited_before + loader.waited_seconds() - progress_.epoch_wait;
    progress_.epoch_seconds += record.seconds;
    progress_.epoch_wait = waited_before + loader.waited_seconds();
    show_step(record);
    if (input_.interrupted()) stop();
    const std::int64_t every = input_.options.checkpoint.every_steps;
    if (every > 0 && progress_.global_step % every == 0) save();
  }
}

std::vector<std::vector<std::int64_t>> Trainer::coming_shares(const EpochPlan& plan) const {
  std::vector<std::vector<std::int64_t>> shares;
  for (std::int64_t step = progress_.step; step < plan.steps(); ++step) {
    const auto share = plan.share(step, input_.communicator.size(), input_.communicator.rank());
    shares.emplace_back(share.begin(), share.end());
  }
  return shares;
}

double Trainer::train_step(const EpochPlan& plan, BatchLoader& loader) {
  set_learning();
  const std::optional<Batch> batch = loader.next();
  const auto global_size = static_cast<std::int64_t>(plan.global_batch(progress_.step).size());
  const Meter local = step_.backward(*batch, global_size);
  step_.exchange();
  const Meter global = sum_over_ranks(local, input_.communicator);
  check_finite(global, local, *batch);
  step_.clip(input_.options.training.gradient_clip);
  step_.update(current_rate());
  progress_.meter += global;
  ++progress_.step;
  ++progress_.global_step;
  average_.update(progress_.global_step);
  return global.mean_loss();
}

void Trainer::set_learning() {
  std::vector<bool> active;
  for (const LearningPace& pace : paces_) active.push_back(progress_.global_step >= pace.since_step);
  weights_.set_active(active);
}

double Trainer::current_rate() const {
  const std::int64_t steps = steps_per_epoch(input_);
  return learning_rate_at(input_.options.schedule, progress_.global_step, steps,
                          steps * input_.options.training.epochs);
}

void Trainer::check_finite(const Meter& global, const Meter& local, const Batch& batch) const {
  if (global.is_finite()) return;
  input_.communicator.together([&] {
    if (local.is_finite()) return;
    std::string samples;
    for (const std::int64_t index : batch.indices) {
      samples.append(samples.empty() ? "" : ", ").append(input_.data.train.place(index));
    }
    throw diverged("the loss is not finite at epoch " + std::to_string(progress_.epoch + 1) + ", step " +
                   std::to_string(progress_.step + 1) + " (batch of " + samples + ")");
  });
}

Validation Trainer::validate_epoch() {
  const auto validation = [this] {
    const WeightAverage::InUse judged(average_);
    return validate(
        {weights_, validation_cache_, input_.data.validation, input_.communicator, input_.options.evaluation.batch_size,
         input_.data.classes.positive, validation_outlines_ ? &*validation_outlines_ : nullptr},
        input_.interrupted);
  }();
  if (!validation) stop();
  return *validation;
}

void Trainer::finish_epoch(const Validation& validation, Clock::duration validation_time) {
  check_same_weights();
  const bool better = best_.beaten_by(validation.roc_auc, validation.loss);
  if (better) {
    best_ = {progress_.epoch, validation.roc_auc, validation.loss};
    best_weights_ = average_.exists() ? average_.snapshot() : weights_.snapshot();
  }
  std::array<double, 1> wait = {progress_.epoch_wait};
  input_.communicator.max(wait);
  last_validation_seconds_ = seconds(validation_time);
  const double epoch_seconds = progress_.epoch_seconds + last_validation_seconds_;
  const EpochRecord record{progress_.epoch + 1,
                           progress_.meter.mean_loss(),
                           progress_.meter.accuracy(),
                           validation.loss,
                           validation.accuracy,
                           validation.roc_auc,
                           learning_rate_at(input_.options.schedule, progress_.global_step - 1, steps_per_epoch(input_),
                                            steps_per_epoch(input_) * input_.options.training.epochs),
                           progress_.meter.samples / std::max(1e-9, progress_.epoch_seconds),
                           wait[0],
                           progress_.epoch_seconds,
                           epoch_seconds,
                           better,
                           outlines_of(progress_.meter, validation)};
  const std::int64_t patience = input_.options.training.early_stopping_epochs;
  Progress next;
  next.epoch = progress_.epoch + 1;
  next.global_step = progress_.global_step;
  next.total_seconds = progress_.total_seconds + epoch_seconds;
  next.finished =
      next.epoch >= input_.options.training.epochs || (patience > 0 && progress_.epoch - best_.epoch >= patience);
  // The log first: a resumed run drops the lines after its checkpoint, but could not remake a missing one.
  input_.communicator.together([&] {
    if (log_) log_->append(record);
  });
  if (line_) line_->epoch(record, input_.options.training.epochs);
  if (input_.watch != nullptr) input_.watch->epoch(record, progress_.global_step);
  progress_ = next;
  if (progress_.finished || progress_.epoch % input_.options.checkpoint.every_epochs == 0) save();
}

// Every rank applies the same update to the same weights; a difference means broken memory, network or software.
void Trainer::check_same_weights() {
  const std::uint64_t mine = fingerprint(weights_.masters());
  std::array<std::uint64_t, 2> extremes = {mine, ~mine};
  input_.communicator.max(extremes);
  const bool same = extremes[0] == mine && extremes[1] == ~mine;
  if (input_.watch != nullptr) input_.watch->ranks_compared(same);
  if (same) return;
  throw IoError("the ranks hold different weights after epoch " + std::to_string(progress_.epoch + 1) +
                ": a machine of this job computes or transmits wrongly; resume from the last checkpoint");
}

void Trainer::save() {
  const std::pair position{progress_.epoch, progress_.step};
  if (saved_at_ == position) return;
  input_.communicator.together([&] {
    if (!input_.communicator.is_root()) return;
    require_finite_weights();
    store_.save({input_.identity, to_string(input_.precision), progress_, best_, adam_.steps(), weights_.snapshot(),
                 adam_.moments(), best_weights_, average_.snapshot()});
  });
  saved_at_ = position;
  if (input_.watch != nullptr) input_.watch->checkpoint();
}

// The loss of a step is that of the weights before it: what ruined them shows a step later, and a checkpoint in between
// would take the place of a good one.
void Trainer::require_finite_weights() {
  for (const torch::Tensor& master : weights_.masters()) {
    if (std::isfinite(master.sum(torch::kFloat64).item<double>())) continue;
    throw diverged("the weights are not finite after epoch " + std::to_string(progress_.epoch + 1) + ", step " +
                   std::to_string(progress_.step));
  }
}

void Trainer::stop() {
  save();
  throw Interrupted("stopped by a signal at epoch " + std::to_string(progress_.epoch + 1) + ", step " +
                    std::to_string(progress_.step) + "; a checkpoint is in " +
                    (input_.folder / "checkpoints").string() +
                    ": run the same command again, without --fresh, to go on");
}

void Trainer::begin_watch() {
  if (input_.watch == nullptr || progress_.finished) return;
  const std::int64_t epochs = input_.options.training.epochs;
  input_.watch->begin({input_.network.name, input_.data.fold, epochs, steps_per_epoch(input_),
                       std::min(progress_.epoch + 1, epochs), progress_.global_step, input_.communicator.size()},
                      input_.folder);
}

void Trainer::show_step(StepRecord record) {
  show_progress();
  if (input_.watch == nullptr) return;
  record.step = progress_.global_step;
  record.epoch = progress_.epoch + 1;
  input_.watch->step(record);
}

void Trainer::show_progress() {
  if (!line_) return;
  const std::int64_t steps = steps_per_epoch(input_);
  const double rate = progress_.meter.samples / std::max(1e-9, progress_.epoch_seconds);
  const auto epochs_left = static_cast<double>(input_.options.training.epochs - progress_.epoch);
  const double images_left = epochs_left * static_cast<double>(input_.data.train.size()) - progress_.meter.samples;
  line_->step({progress_.epoch + 1, input_.options.training.epochs, progress_.step, steps, progress_.meter.mean_loss(),
               rate, images_left / rate + epochs_left * last_validation_seconds_});
}

}  // namespace pulmo::training
