#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "training/fit.h"

namespace pulmo::training {

struct CompareJob {
  CompareOptions options;
  std::filesystem::path folder;
  bool fresh = false;
  ProgressStyle progress = ProgressStyle::kAuto;
  std::function<bool()> interrupted;  ///< collective
  std::string command_line;           ///< named in the table
};

/// Trains and judges every row on the same split, each in its own sub-folder, and writes comparison.{md,csv,json,html}.
/// A row whose finished result is already there is taken over; an interrupted one goes on. Returns the Markdown on
/// rank 0. Collective. Throws InvalidInput("configuration") for an unknown row, and as fit().
std::string compare(const CompareJob& job, const PreparedData& data, const Communicator& communicator);

}  // namespace pulmo::training
