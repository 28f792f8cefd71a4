#include "training/watch/training_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <cmath>
#include <utility>

#include "core/support/version.h"

namespace pulmo::training {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Registry;

const prometheus::Histogram::BucketBoundaries kStepBuckets{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60};

Gauge& gauge(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

constexpr std::array<const char*, 4> kStates{"running", "done", "interrupted", "failed"};

Counter& counter(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

/// Not among the metrics of a run that has no such figure.
class OptionalGauge {
 public:
  OptionalGauge(Registry& registry, const char* name, const char* help)
      : family_(prometheus::BuildGauge().Name(name).Help(help).Register(registry)) {}
  void set(double value) {
    if (gauge_ == nullptr) gauge_ = &family_.Add({});
    gauge_->Set(value);
  }
  void remove() {
    if (gauge_ != nullptr) family_.Remove(std::exchange(gauge_, nullptr));
  }

 private:
  prometheus::Family<Gauge>& family_;
  Gauge* gauge_ = nullptr;
};

}  // namespace

struct TrainingMetrics::Impl {
  Registry r;
  prometheus::Family<Gauge>& info =
      prometheus::BuildGauge().Name("pulmo_training_info").Help("1; what is being trained").Register(r);
  Gauge* current = nullptr;  // of info
  Gauge& ranks = gauge(r, "pulmo_training_ranks", "MPI ranks of the job");
  Gauge& epochs = gauge(r, "pulmo_training_epochs", "Epochs the run is to take");
  Gauge& epoch_now = gauge(r, "pulmo_training_epoch", "Epoch in progress, from 1");
  Gauge& steps_per_epoch = gauge(r, "pulmo_training_steps_per_epoch", "Steps of one epoch");
  Gauge& step_now = gauge(r, "pulmo_training_step", "Steps done in the run");
  Gauge& loss = gauge(r, "pulmo_training_loss", "Mean loss of the last batch");
  Gauge& learning_rate = gauge(r, "pulmo_training_learning_rate", "Learning rate of the last step");
  Gauge& train_loss = gauge(r, "pulmo_training_epoch_loss", "Mean training loss of the last epoch");
  Gauge& train_accuracy = gauge(r, "pulmo_training_epoch_accuracy", "Training accuracy of the last epoch");
  Gauge& validation_loss = gauge(r, "pulmo_training_validation_loss", "Validation loss after the last epoch");
  Gauge& validation_accuracy =
      gauge(r, "pulmo_training_validation_accuracy", "Validation accuracy after the last epoch");
  Gauge& validation_auc = gauge(r, "pulmo_training_validation_roc_auc", "Validation ROC-AUC after the last epoch");
  OptionalGauge outline_loss{r, "pulmo_training_epoch_outline_loss", "Mean training loss of outlines, last epoch"};
  OptionalGauge validation_outline_loss{r, "pulmo_training_validation_outline_loss",
                                        "Validation loss of outlines after the last epoch"};
  OptionalGauge validation_dice{r, "pulmo_training_validation_dice", "Dice of validation slices after the last epoch"};
  Gauge& best_auc = gauge(r, "pulmo_training_best_validation_roc_auc", "Validation ROC-AUC of the best epoch");
  Gauge& checkpoint_time = gauge(r, "pulmo_training_last_checkpoint_timestamp_seconds", "When the newest was written");
  Gauge& progress_time =
      gauge(r, "pulmo_training_last_progress_timestamp_seconds", "When the last step or validation ended");
  Gauge& diverged = gauge(r, "pulmo_training_ranks_diverged", "1 when the ranks were found with different weights");
  Gauge& disk_free = gauge(r, "pulmo_training_disk_free_bytes", "Free on the disk of the run folder");
  Gauge& disk_size = gauge(r, "pulmo_training_disk_size_bytes", "Size of the disk of the run folder");
  std::array<Gauge*, kStates.size()> states{};
  Counter& images = counter(r, "pulmo_training_images_total", "Images trained on, all ranks");
  Counter& wait = counter(r, "pulmo_training_input_wait_seconds_total", "Time that rank 0 waited for input");
  Counter& checkpoints = counter(r, "pulmo_training_checkpoints_total", "Checkpoints written");
  prometheus::Histogram& step_seconds = prometheus::BuildHistogram()
                                            .Name("pulmo_training_step_duration_seconds")
                                            .Help("One step, all ranks together")
                                            .Register(r)
                                            .Add({}, kStepBuckets);
};

TrainingMetrics::TrainingMetrics() : impl_(std::make_unique<Impl>()) {
  auto& states =
      prometheus::BuildGauge().Name("pulmo_training_state").Help("1 for how the job stands").Register(impl_->r);
  for (std::size_t i = 0; i < kStates.size(); ++i) impl_->states.at(i) = &states.Add({{"state", kStates.at(i)}});
  state(RunState::kRunning);
  impl_->progress_time.SetToCurrentTime();  // a job that never takes a step is stalled too
  for (Gauge* unknown : {&impl_->diverged, &impl_->disk_free, &impl_->disk_size}) unknown->Set(NAN);
  prometheus::BuildGauge()
      .Name("pulmo_build_info")
      .Help("1; which version is running")
      .Register(impl_->r)
      .Add({{"version", std::string(version())}})
      .Set(1);
}

TrainingMetrics::~TrainingMetrics() = default;

void TrainingMetrics::begin(const WatchedRun& run) {
  if (impl_->current != nullptr) impl_->info.Remove(impl_->current);
  impl_->current = &impl_->info.Add({{"row", run.row}, {"fold", run.fold}});
  impl_->current->Set(1);
  impl_->ranks.Set(run.ranks);
  impl_->epochs.Set(static_cast<double>(run.epochs));
  impl_->steps_per_epoch.Set(static_cast<double>(run.steps_per_epoch));
  impl_->epoch_now.Set(static_cast<double>(run.epoch));
  impl_->step_now.Set(static_cast<double>(run.step));
  for (Gauge* unknown :
       {&impl_->loss, &impl_->learning_rate, &impl_->train_loss, &impl_->train_accuracy, &impl_->validation_loss,
        &impl_->validation_accuracy, &impl_->validation_auc, &impl_->best_auc}) {
    unknown->Set(NAN);
  }
  for (OptionalGauge* figure : {&impl_->outline_loss, &impl_->validation_outline_loss, &impl_->validation_dice}) {
    figure->remove();
  }
}

void TrainingMetrics::step(const StepRecord& record) {
  impl_->epoch_now.Set(static_cast<double>(record.epoch));
  impl_->step_now.Set(static_cast<double>(record.step));
  impl_->loss.Set(record.loss);
  impl_->learning_rate.Set(record.learning_rate);
  impl_->images.Increment(static_cast<double>(record.images));
  impl_->wait.Increment(record.input_wait_seconds);
  impl_->step_seconds.Observe(record.seconds);
  impl_->progress_time.SetToCurrentTime();
}

void TrainingMetrics::epoch(const EpochRecord& record) {
  impl_->train_loss.Set(record.train_loss);
  impl_->train_accuracy.Set(record.train_accuracy);
  impl_->validation_loss.Set(record.validation_loss);
  impl_->validation_accuracy.Set(record.validation_accuracy);
  impl_->validation_auc.Set(record.validation_roc_auc);
  impl_->progress_time.SetToCurrentTime();
  if (record.best) impl_->best_auc.Set(record.validation_roc_auc);
  if (!record.outlines) return;
  impl_->outline_loss.set(record.outlines->train_loss);
  impl_->validation_outline_loss.set(record.outlines->validation_loss);
  impl_->validation_dice.set(record.outlines->validation_dice);
}

void TrainingMetrics::checkpoint() {
  impl_->checkpoint_time.SetToCurrentTime();
  impl_->checkpoints.Increment();
}

void TrainingMetrics::ranks_compared(bool agree) {
  impl_->diverged.Set(agree ? 0 : 1);
}

void TrainingMetrics::disk(double free_bytes, double size_bytes) {
  impl_->disk_free.Set(free_bytes);
  impl_->disk_size.Set(size_bytes);
}

void TrainingMetrics::state(RunState now) {
  for (std::size_t i = 0; i < kStates.size(); ++i) impl_->states.at(i)->Set(static_cast<std::size_t>(now) == i ? 1 : 0);
}

std::string TrainingMetrics::text() const {
  return prometheus::TextSerializer().Serialize(impl_->r.Collect());
}

}  // namespace pulmo::training
