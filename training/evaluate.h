#pragma once

#include <filesystem>
#include <vector>

#include "core/store/manifest.h"
#include "training/communicator.h"
#include "training/options.h"
#include "training/prepared_data.h"
#include "training/result.h"

namespace pulmo::training {

struct EvaluateJob {
  EvaluateOptions options;
  std::filesystem::path bundle;
  std::vector<Split> splits = {Split::kTest};
  std::filesystem::path output;  ///< metrics.json and predictions.csv go there; empty: nowhere
};

/// Judges a bundle of any row on prepared data, with the bundle's own temperature and threshold. Collective. Throws
/// InvalidInput("bundle") when its classes or preprocessing are not those of the data, or an asked split is empty.
RowResult evaluate(const EvaluateJob& job, const PreparedData& data, const Communicator& communicator);

}  // namespace pulmo::training
