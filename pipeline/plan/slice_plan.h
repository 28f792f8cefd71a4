#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pipeline/lidc/readings.h"
#include "pipeline/plan/prepare_config.h"
#include "pipeline/plan/split.h"

namespace pulmo::pipeline {

/// One sample of the slice task to be made.
struct SliceJob {
  std::uint8_t label = 0;  ///< index into class_names()
  std::size_t series = 0;
  std::size_t slice = 0;
  std::vector<AxialSlice> alternates;  ///< of a normal slice that shows no lung
};

/// What the slice task will make of an archive: decided from headers and readings alone, before any pixel is read.
struct SlicePlan {
  std::vector<std::string> class_names;
  std::vector<SliceJob> jobs;
  std::array<std::vector<std::size_t>, 3> jobs_of_split;  ///< indexed by Split, each by series and slice
  PatientSplit split;
};

/// normal, malignant; or normal, benign, malignant.
std::vector<std::string> slice_classes(const LabelOptions& labels);

/// Labels slices, deals patients out (strata: their strongest label, and the scanner), draws matched normals inside
/// each part. Counts every slice that will not be used: the reasons of judge_slices, not_drawn (a normal slice that was
/// not needed), not_in_split_file. Notes few_normals where a part has too few. Pure function but for the ledger.
SlicePlan plan_slices(const std::vector<ReadSeries>& archive, const LidcConfig& config, Ledger& ledger);

}  // namespace pulmo::pipeline
