#pragma once

#include <filesystem>
#include <string>

#include "core/store/manifest.h"
#include "training/communicator.h"
#include "training/evaluation/bootstrap.h"
#include "training/prepared_data.h"

namespace pulmo::training {

struct OutlineJob {
  std::filesystem::path bundle;
  Split split = Split::kTest;
  std::filesystem::path output;  ///< a JSON file; empty: none
  BootstrapOptions bootstrap;
};

/// Measures the outlines of a bundle that has some against the readers': for each nodule (group; of the task `slice` a
/// whole series) the Dice coefficient 2 |A and B| / (|A| + |B|) over the pixels of its slices, of those with p >= 1/2
/// and the consensus, which at least half of the nodule's readers outlined. Means over nodules, over those of at least
/// so many readers too, with intervals by bootstrap over patients. Groups that nobody outlined are left out and
/// counted. Returns the Markdown on rank 0, which does the work; collective. Throws as check_fits() and
/// ReaderOutlines(), and InvalidInput("bundle") for a row without outlines.
std::string outline_agreement(const OutlineJob& job, const PreparedData& data, const Communicator& communicator);

}  // namespace pulmo::training
