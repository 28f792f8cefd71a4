#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/store/manifest.h"

namespace pulmo::pipeline {

enum class SplitMode {
  kStratified,  ///< patients are dealt out, seeded, each stratum in proportion
  kNone,        ///< everything into test
  kFile,        ///< as a file says
};

struct SplitOptions {
  SplitMode mode = SplitMode::kStratified;
  double test_fraction = 0.2;          ///< of all patients
  double validation_fraction = 0.125;  ///< of the patients that are not test
  int folds = 0;                       ///< 0: one split; k: cross-validation in k folds, test is fold `fold`
  int fold = 0;                        ///< 0 to folds - 1
  std::string file;                    ///< for kFile: CSV with the columns patient,split
  bool by_scanner = true;              ///< strata also by manufacturer
  std::uint64_t seed = 1;

  bool operator==(const SplitOptions&) const = default;
};

/// patient -> part.
using PatientSplit = std::map<std::string, Split>;

/// Deals patients out. `strata`: patient -> name of the stratum (its labels, its scanner). Patients are shuffled inside
/// their stratum, the strata laid one after another, and every 1/fraction-th patient taken, beginning at a seeded
/// place: so each stratum gets its share within one patient, and so does the whole. With folds, patient i of that row
/// belongs to fold i mod k. Throws InvalidInput("split") when a part that was asked for would hold no patient. Pure
/// function, the same on every platform.
PatientSplit split_patients(const std::map<std::string, std::string>& strata, const SplitOptions& options);

/// Reads a split file: CSV with the columns patient,split; split is train, validation or test. Throws
/// InvalidInput("csv") naming the line, InvalidInput("split") for a patient in two parts.
PatientSplit parse_split_file(std::string_view text, const std::string& name);

/// The text of the split file where there is one, else nothing. Throws IoError.
std::string split_file_of(const SplitOptions& options);

/// The same table, patients sorted.
std::string split_file_text(const PatientSplit& split);

}  // namespace pulmo::pipeline
