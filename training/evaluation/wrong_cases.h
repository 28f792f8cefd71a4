#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "training/evaluation/run_report.h"

namespace pulmo::training {

/// A test sample that a row decided wrongly with much confidence. Names no patient.
struct WrongCase {
  std::size_t index = 0;  ///< into the row's test samples
  int label = 0;          ///< the truth
  int decision = 0;
  double probability = 0.0;  ///< that the row gave the truth
  std::size_t group = 0;     ///< number of the nodule or series, from 1, in order of appearance in the test part
  std::string picture;       ///< data URI; empty until somebody draws it
};

/// The wrongly decided samples with the least probability for the truth, at most one of each group (its worst) and
/// `most` of each true class; worst first.
std::vector<WrongCase> wrong_cases(const std::vector<Prediction>& test, const RunFacts& facts, std::size_t most);

}  // namespace pulmo::training
