#include "training/watch/watch.h"

#include "core/support/error.h"
#include "core/support/log.h"
#include "training/watch/metrics_listener.h"
#include "training/watch/pusher.h"

namespace pulmo::training {

Watch::Watch(const WatchOptions& options) : options_(options) {
  if (options.metrics_port > 0) {
    listener_ = std::make_unique<MetricsListener>(
        options.metrics_address, static_cast<std::uint16_t>(options.metrics_port), [this] { return metrics_.text(); });
    log_info("metrics offered", {{"address", options.metrics_address}, {"port", std::to_string(listener_->port())}});
  }
  if (!options.push_url.empty()) {
    pusher_ = std::make_unique<Pusher>(options.push_url, std::chrono::duration<double>(options.push_seconds),
                                       [this] { return metrics_.text(); });
  }
}

Watch::~Watch() = default;

int Watch::port() const {
  return listener_ ? listener_->port() : 0;
}

void Watch::begin(const WatchedRun& run, const std::filesystem::path& folder) {
  metrics_.begin(run);
  folder_ = folder;
  look_at_disk();
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
  look_at_disk();
  std::vector<Scalar> values = {{"train/loss", record.train_loss},
                                {"train/accuracy", record.train_accuracy},
                                {"validation/loss", record.validation_loss},
                                {"validation/accuracy", record.validation_accuracy},
                                {"validation/roc_auc", record.validation_roc_auc},
                                {"epoch/number", static_cast<double>(record.epoch)},
                                {"epoch/learning_rate", record.learning_rate},
                                {"epoch/images_per_second", record.images_per_second},
                                {"epoch/input_wait_seconds", record.input_wait_seconds},
                                {"epoch/seconds", record.seconds}};
  if (record.outlines) {
    values.push_back({"train/outline_loss", record.outlines->train_loss});
    values.push_back({"validation/outline_loss", record.outlines->validation_loss});
    values.push_back({"validation/dice", record.outlines->validation_dice});
  }
  add(step, values);
}

void Watch::checkpoint() {
  metrics_.checkpoint();
  look_at_disk();
}

void Watch::ranks_compared(bool agree) {
  metrics_.ranks_compared(agree);
}

void Watch::end(RunState state) {
  metrics_.state(state);
}

void Watch::look_at_disk() {
  std::error_code failed;
  const std::filesystem::space_info space = std::filesystem::space(folder_, failed);
  if (!failed) metrics_.disk(static_cast<double>(space.available), static_cast<double>(space.capacity));
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
