#pragma once

#include <filesystem>
#include <optional>
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

/// Throws InvalidInput("bundle") when the bundle's classes, preprocessing or crops of nodules are not those of the
/// data, it takes slices where the data holds volumes, or one of `splits` is empty.
void check_fits(const std::filesystem::path& bundle, const BundleMetadata& metadata, const PreparedData& data,
                const std::vector<Split>& splits);

/// The parts that the bundle learnt from and was tested on, where it is of one fold of this very data: the prepared
/// test part would hold patients that it learnt from. Nothing for every other bundle, of which the data's own parts
/// are.
std::optional<PreparedData> as_dealt_to(const BundleMetadata& metadata, const PreparedData& data);

/// Judges a bundle of any row on prepared data, with the bundle's own temperature and threshold, on the parts of
/// as_dealt_to(). Collective. Throws
/// as check_fits().
RowResult evaluate(const EvaluateJob& job, const PreparedData& data, const Communicator& communicator);

}  // namespace pulmo::training
