#include "training/fit.h"

#include <ATen/Parallel.h>

#include "core/model/bundle.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/processors.h"
#include "training/launch.h"
#include "training/outlines.h"
#include "training/run_folder.h"
#include "training/stacks.h"
#include "training/trainer.h"

namespace pulmo::training {
namespace {

NetworkOptions network_options(const FitOptions& options, const PreparedData& data) {
  NetworkOptions network;
  network.name = options.model.name;
  network.channels = data.manifest.shape.channels;
  network.depth = data.manifest.shape.depth;
  network.size_px = data.manifest.shape.height;
  network.classes = data.classes.size();
  network.dropout = options.model.dropout;
  network.seed = options.training.seed;
  return network;
}

// auto: a checkpoint's precision, so that a resumed run goes on as it began; else what the devices of all do best.
Precision choose_precision(Precision asked, Device device, const std::optional<Checkpoint>& checkpoint,
                           const Communicator& ranks) {
  if (asked != Precision::kAuto) return asked;
  const bool bf16 = prefers_bf16(device);
  const bool some_prefer_fp32 = ranks.max(std::uint64_t{bf16 ? 0U : 1U}) != 0;
  if (!checkpoint) return some_prefer_fp32 ? Precision::kFp32 : Precision::kBf16;
  return checkpoint->precision == to_string(Precision::kBf16) ? Precision::kBf16 : Precision::kFp32;
}

void tell_start(const TrainerInput& input) {
  if (!input.communicator.is_root()) return;
  log_info("training starts", {{"row", input.network.name},
                               {"train", std::to_string(input.data.train.size())},
                               {"validation", std::to_string(input.data.validation.size())},
                               {"test", std::to_string(input.data.test.size())},
                               {"ranks", std::to_string(input.communicator.size())},
                               {"threads", std::to_string(at::get_num_threads())},
                               {"device", to_string(input.device)},
                               {"precision", to_string(input.precision)}});
}

void tell_resume(const Progress& progress, const Communicator& communicator) {
  if (!communicator.is_root()) return;
  log_info("resumed", {{"epoch", std::to_string(progress.epoch + 1)}, {"step", std::to_string(progress.step)}});
}

TrainedModel export_best(const Trainer& trainer, const TrainerInput& input) {
  TrainedModel model;
  model.row = input.network.name;
  model.depth = input.network.depth;
  model.identity = input.identity;
  model.best_epoch = trainer.best().epoch + 1;
  model.epochs = trainer.progress().epoch;
  model.seconds = trainer.progress().total_seconds;
  model.precision = to_string(input.precision);
  model.device = to_string(input.device);
  if (input.communicator.is_root()) {
    model.module = to_torchscript(*network_with(input.network, trainer.best_weights()));
  }
  return model;
}

bool has_spare_core(const Communicator& communicator) {
  const std::vector<int> processors = allowed_processors();
  const std::size_t mine = processors.size() / communicator.ranks_sharing_processors(processors);
  return mine > static_cast<std::size_t>(at::get_num_threads());
}

}  // namespace

Device set_up_device(DeviceChoice choice, const Communicator& communicator) {
  const int gpus = choice == DeviceChoice::kCpu ? 0 : gpu_count();
  Device device;
  communicator.together([&] { device = choose_device(choice, communicator.local_rank(), gpus); });
  if (communicator.max(std::uint64_t{device.is_gpu() ? 0U : 1U}) != 0) device = {};
  if (device.is_gpu() && communicator.local_rank() == 0 && communicator.local_size() > gpus) {
    log_warning("ranks share graphics cards", {{"ranks of this machine", std::to_string(communicator.local_size())},
                                               {"cards", std::to_string(gpus)}});
  }
  make_reproducible(device);
  return device;
}

int set_up_compute(const ComputeOptions& options, const Communicator& communicator) {
  const std::vector<int> processors = allowed_processors();
  const std::size_t sharing = communicator.ranks_sharing_processors(processors);
  const int threads =
      threads_for_rank(static_cast<int>(options.threads), processors.size(), sharing, process_environment());
  at::set_num_threads(threads);
  const auto hint =
      binding_hint(communicator.processors_of_machine(processors), machine_processors(), process_environment());
  if (hint && communicator.is_root()) log_warning(*hint);
  keep_freed_memory();
  return threads;
}

void check_row(const FitOptions& options, const PreparedData& prepared) {
  const std::optional<PreparedData> stacks = stacked_for(options, prepared);
  first_network(network_options(options, stacks ? *stacks : prepared), options);
  if (learns_outlines(options.model.name)) require_outlines(prepared.train);
}

RowResult fit(const FitJob& job, const PreparedData& prepared, const Communicator& communicator) {
  std::string identity;
  std::optional<PreparedData> stacks;
  communicator.together([&] {
    identity = run_identity(job.options, identity_for(job.options, prepared));
    stacks = stacked_for(job.options, prepared);
  });
  const PreparedData& data = stacks ? *stacks : prepared;
  const std::string root_identity = communicator.broadcast(identity);
  communicator.together([&] {
    if (identity != root_identity) {
      throw InvalidInput("configuration", "rank " + std::to_string(communicator.rank()) +
                                              " reads another weight file than rank 0: use one file on a shared disk");
    }
    check_trainable(data, communicator.size());
    check_slice_weights(job.options.evaluation.slice_weights, data);
  });
  const Device device = set_up_device(job.options.compute.device, communicator);
  open_run_folder(job.folder, job.fresh, communicator);
  const CheckpointStore store(job.folder / "checkpoints", job.options.checkpoint.keep);
  std::optional<Checkpoint> checkpoint = find_resumable(store, identity, job.folder, communicator);
  const Precision precision = choose_precision(job.options.training.precision, device, checkpoint, communicator);
  const TrainerInput input{job.options,
                           communicator,
                           data,
                           network_options(job.options, data),
                           precision,
                           identity,
                           job.folder,
                           job.progress,
                           job.interrupted,
                           has_spare_core(communicator),
                           job.watch,
                           device};
  std::unique_ptr<Trainer> trainer;
  communicator.together([&] {
    trainer = std::make_unique<Trainer>(input);
    if (communicator.is_root()) {
      make_writable_directory(job.folder / "checkpoints");
      write_file_atomically(job.folder / "config.yaml", to_yaml(job.options));
    }
    if (checkpoint) trainer->resume(std::move(*checkpoint));
  });
  tell_start(input);
  if (trainer->progress().global_step > 0) tell_resume(trainer->progress(), communicator);
  trainer->run();
  const TrainedModel model = export_best(*trainer, input);
  trainer.reset();
  const Judging judging{job.options.evaluation, job.options.training.seed, at::get_num_threads(), job.interrupted,
                        device};
  return finish_model(model, prepared, job.folder, judging, communicator);
}

}  // namespace pulmo::training
