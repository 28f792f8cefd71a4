#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/lidc/readings.h"
#include "pipeline/plan/prepare_config.h"
#include "pipeline/plan/split.h"

namespace pulmo::pipeline {

/// One sample of the nodule task to be made: a patch of one slice, or (3D) the volume around the nodule.
struct NoduleJob {
  std::uint8_t label = 0;  ///< 0 benign, 1 malignant
  std::size_t series = 0;
  std::size_t nodule = 0;
  std::size_t slice = 0;  ///< 2D: of the patch; 3D: the one with the largest consensus
};

struct NodulePlan {
  std::vector<std::string> class_names{"benign", "malignant"};
  std::vector<NoduleJob> jobs;
  std::array<std::vector<std::size_t>, 3> jobs_of_split;  ///< indexed by Split, by series, nodule and slice
  PatientSplit split;
};

/// Labels nodules by their consensus and deals patients out (strata: malignant if any of their nodules is, and the
/// scanner). Counts every nodule that will not be used: undecided_nodule, too_few_readers, no_consensus (on no slice do
/// half of the readers agree on min_nodule_px pixels), not_in_split_file; and, in 2D, slices of used nodules: beyond
/// max_slices (patches). Pure function but for the ledger.
NodulePlan plan_nodules(const std::vector<ReadSeries>& archive, const LidcConfig& config, Ledger& ledger);

}  // namespace pulmo::pipeline
