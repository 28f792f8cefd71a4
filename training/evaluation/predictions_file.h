#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "training/evaluation/prediction.h"

namespace pulmo::training {

/// The scored samples of one split.
struct SplitPredictions {
  std::string split;  ///< "train", "validation", "test"
  std::vector<Prediction> samples;
};

/// predictions.csv (RFC 4180, LF): `split,patient,group,instance,label,p_<class>...`, the label by name, probabilities
/// with 17 significant digits so that every metric can be recomputed exactly; for pooled folds also `fold`, from 1, at
/// the end. Atomic. Throws IoError.
void write_predictions(const std::filesystem::path& path, const ClassList& classes,
                       const std::vector<SplitPredictions>& splits, bool pooled_folds = false);

/// Reads back what is not pooled. Throws IoError, or InvalidInput("predictions") naming file and line.
std::vector<SplitPredictions> read_predictions(const std::filesystem::path& path, const ClassList& classes);

}  // namespace pulmo::training
