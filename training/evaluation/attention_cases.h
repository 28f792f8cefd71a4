#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "training/evaluation/run_report.h"

namespace pulmo::training {

/// One slice of a volume and its share in the result.
struct WeighedSlice {
  double weight = 0.0;
  std::string picture;  ///< data URI
};

/// A test group whose slices a row weighed. Names no patient.
struct AttentionCase {
  std::size_t index = 0;  ///< of one of its samples, into the row's test samples
  int label = 0;          ///< the truth
  int decision = 0;
  double probability = 0.0;          ///< that the row gave the truth
  std::size_t group = 0;             ///< as WrongCase::group
  std::vector<WeighedSlice> slices;  ///< in their order; the weights sum to 1. Empty until somebody draws them
};

/// Test groups to see by what a row weighs, six at most and none twice: rightly decided ones, the two of the positive
/// class and the one of another that it was most certain of, then its three wrong_cases(). Pure.
std::vector<AttentionCase> attention_cases(const std::vector<Prediction>& test, const RunFacts& facts);

}  // namespace pulmo::training
