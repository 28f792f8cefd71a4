#pragma once

#include <filesystem>
#include <functional>

#include "core/model/device.h"
#include "training/communicator.h"
#include "training/options.h"
#include "training/prepared_data.h"
#include "training/progress_line.h"
#include "training/result.h"
#include "training/watch/watch.h"

namespace pulmo::training {

/// One training of one network row.
struct FitJob {
  FitOptions options;
  std::filesystem::path folder;  ///< of the run
  bool fresh = false;            ///< start anew even where there are checkpoints
  ProgressStyle progress = ProgressStyle::kAuto;
  std::function<bool()> interrupted;  ///< collective: whether any rank was asked to stop
  Watch* watch = nullptr;             ///< rank 0; may be null
};

/// Throws as fit() would before its first step where the row cannot learn from the data, or its weight file does not
/// fit it: before the rows that stand before it in a table are trained.
void check_row(const FitOptions& options, const PreparedData& data);

/// Trains (or goes on training) and writes the run folder: config.yaml, log.jsonl, checkpoints/, bundle.pt,
/// metrics.json, predictions.csv. Collective. Throws InvalidInput, IoError, Interrupted.
RowResult fit(const FitJob& job, const PreparedData& data, const Communicator& communicator);

/// The device that this rank computes on, one kind for all ranks: with kAuto a graphics card where every rank has one.
/// Collective. Throws InvalidInput("device"), see choose_device().
Device set_up_device(DeviceChoice choice, const Communicator& communicator);

/// Sets LibTorch's thread count for this rank (threads_for_rank()) and keeps freed memory in the process. Returns the
/// threads. Collective.
int set_up_compute(const ComputeOptions& options, const Communicator& communicator);

}  // namespace pulmo::training
