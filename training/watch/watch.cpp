#include "training/watch/watch.h"

#include <prometheus/exposer.h>

#include <exception>

#include "core/support/error.h"
#include "core/support/log.h"
#include "training/watch/pusher.h"

namespace pulmo::training {
namespace {

std::unique_ptr<prometheus::Exposer> offer(const WatchOptions& options, const TrainingMetrics& metrics) {
  const std::string place = options.metrics_address + ":" + std::to_string(options.metrics_port);
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(place, 1);
    exposer->RegisterCollectable(metrics.collectable());
    log_info("metrics offered", {{"address", place}, {"path", "/metrics"}});
    return exposer;
  } catch (const std::exception&) {  // civetweb does not say why
    throw IoError("cannot offer metrics on " + place +
                  ": is the port taken? Set watch.metrics_port to another one, or 0 for none");
  }
}

}  // namespace

Watch::Watch(const WatchOptions& options) : options_(options) {
  if (options.metrics_port > 0) exposer_ = offer(options, metrics_);
  if (!options.push_url.empty()) {
    pusher_ = std::make_unique<Pusher>(options.push_url, std::chrono::duration<double>(options.push_seconds),
                                       [this] { return metrics_.text(); });
  }
}

Watch::~Watch() = default;

int Watch::port() const {
  return exposer_ ? exposer_->GetListeningPorts().front() : 0;
}

void Watch::begin(const WatchedRun& run, const std::filesystem::path& folder) {
  metrics_.begin(run);
  events_.reset();
  if (!options_.tensorboard) return;
  try {
    events_.emplace(folder / "tensorboard", run.step);
  } catch (const IoError& error) {
    log_warning("no event files for TensorBoard", {{"problem", error.what()}});
  }
}

void Watch::step(const StepRecord& record) {
  metrics_.step(record);
  if (record.step % options_.every_steps != 0) return;
  add(record.step, {{"step/loss", record.loss},
                    {"step/learning_rate", record.learning_rate},
                    {"step/seconds", record.seconds},
                    {"step/input_wait_seconds", record.input_wait_seconds}});
}

void Watch::epoch(const EpochRecord& record, std::int64_t step) {
  metrics_.epoch(record);
  add(step, {{"train/loss", record.train_loss},
             {"train/accuracy", record.train_accuracy},
             {"validation/loss", record.validation_loss},
             {"validation/accuracy", record.validation_accuracy},
             {"validation/roc_auc", record.validation_roc_auc},
             {"epoch/number", static_cast<double>(record.epoch)},
             {"epoch/learning_rate", record.learning_rate},
             {"epoch/images_per_second", record.images_per_second},
             {"epoch/input_wait_seconds", record.input_wait_seconds},
             {"epoch/seconds", record.seconds}});
}

void Watch::checkpoint() {
  metrics_.checkpoint();
}

void Watch::add(std::int64_t step, const std::vector<Scalar>& values) {
  if (!events_) return;
  try {
    events_->add(step, values);
  } catch (const IoError& error) {
    log_warning("event file given up", {{"problem", error.what()}});
    events_.reset();
  }
}

}  // namespace pulmo::training
