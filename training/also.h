#pragma once

#include <filesystem>
#include <vector>

#include "training/compare.h"
#include "training/evaluation/comparison.h"

namespace pulmo::training {

/// One split on which rows were trained, with their bundles in folder/ROW/.
struct AlsoRound {
  const PreparedData* data;
  std::filesystem::path folder;
};

/// Throws InvalidInput("configuration") when bundles of `trained` cannot be judged on this folder: other classes,
/// preprocessing or shape, or a name that makes no folder.
void check_also(const AlsoData& also, const PreparedData& trained);

/// Judges every row's finished bundles on the samples that `also` has of the test patients of each round, with the
/// thresholds that the bundles carry, and writes predictions.csv and metrics.json into folder/ROW/. The rows on rank 0.
/// Collective. Throws InvalidInput("training_data") when there is no such sample, IoError, Interrupted.
std::vector<ComparedRow> judge_also(const CompareJob& job, const AlsoData& also, const std::vector<AlsoRound>& rounds,
                                    const std::filesystem::path& folder, const Communicator& communicator);

}  // namespace pulmo::training
