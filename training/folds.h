#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "training/prepared_data.h"

namespace pulmo::training {

struct FoldOptions {
  std::int64_t folds = 0;              ///< k; 0: no cross-validation
  double validation_fraction = 0.125;  ///< of the patients that are not in the test fold
  std::uint64_t seed = 0;
};

/// patient -> name of the stratum.
using PatientStrata = std::map<std::string, std::string>;
/// patient -> part.
using PatientParts = std::map<std::string, Split>;

/// The stratum of each patient is the set of the classes of their samples, in all three parts: "0", "1", "0+1".
PatientStrata patient_strata(const PreparedData& data);

/// Deals patients out for fold `fold` (from 0): shuffled inside their stratum (derive_seed(seed, "folds/STRATUM")), the
/// strata laid one after another, patient i of that row belongs to test fold i mod k, so that each fold gets its share
/// of each stratum within one patient and each patient is tested once. Of the others every 1/fraction-th in the same
/// order validates, beginning at a place of derive_seed(seed, "folds/validation", 0, 0, fold). Pure function.
PatientParts deal_fold(const PatientStrata& strata, const FoldOptions& options, std::int64_t fold);

/// One fold of a k-fold cross-validation.
struct Fold {
  FoldOptions options;
  std::int64_t index = 0;  ///< from 0
};
/// What PreparedData::fold says; nothing where it names no single fold.
std::optional<Fold> fold_named(const std::string& text);

/// The same folder with its patients dealt anew. Throws InvalidInput("training_data") for fewer patients than folds.
PreparedData fold_of(const PreparedData& data, const FoldOptions& options, std::int64_t fold);

}  // namespace pulmo::training
