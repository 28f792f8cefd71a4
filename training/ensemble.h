#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "training/prepared_data.h"
#include "training/result.h"

namespace pulmo::training {

/// A finished network row that an ensemble may take.
struct Candidate {
  std::string row;
  std::vector<Prediction> validation;  ///< calibrated, of each sample
};

/// Which rows are averaged: the candidates are ordered by their area under the ROC curve on validation, by group; of
/// the best two, the best three, and so on that many are taken whose mean has the largest area, the fewest on a tie.
/// The best row comes last. Throws InvalidInput("comparison") unless there are two candidates on the same samples.
/// Pure.
std::vector<std::string> choose_members(const std::vector<Candidate>& candidates, const ClassList& classes,
                                        SliceWeights weights = SliceWeights::kEqual);

/// The ensemble of the best of `rows`, finished network rows in sub-folders of `folder`; on rank 0, elsewhere without a
/// module. Its cost is its members'. Collective.
TrainedModel make_ensemble(const std::vector<std::string>& rows, const std::filesystem::path& folder,
                           const PreparedData& data, SliceWeights weights, const Communicator& communicator);

}  // namespace pulmo::training
