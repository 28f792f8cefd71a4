#pragma once

#include <filesystem>
#include <vector>

#include "core/model/bundle_metadata.h"
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

/// Throws InvalidInput("bundle") when the bundle's classes or preprocessing are not those of the data, it takes slices
/// where the data holds volumes, or one of `splits` is empty.
void check_fits(const std::filesystem::path& bundle, const BundleMetadata& metadata, const PreparedData& data,
                const std::vector<Split>& splits);

/// Judges a bundle of any row on prepared data, with the bundle's own temperature and threshold. Collective. Throws
/// as check_fits().
RowResult evaluate(const EvaluateJob& job, const PreparedData& data, const Communicator& communicator);

}  // namespace pulmo::training
