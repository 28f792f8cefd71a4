#include "training/folds.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <set>
#include <vector>

#include "core/support/error.h"
#include "core/support/seed.h"
#include "core/support/yaml_reader.h"

namespace pulmo::training {
namespace {

// All patients, stratum after stratum, shuffled inside each.
std::vector<std::string> dealt_row(const PatientStrata& strata, std::uint64_t seed) {
  std::map<std::string, std::vector<std::string>> groups;
  for (const auto& [patient, stratum] : strata) groups[stratum].push_back(patient);
  std::vector<std::string> row;
  for (auto& [stratum, patients] : groups) {
    Random random(derive_seed(seed, "folds/" + stratum));
    random.shuffle(patients);
    row.insert(row.end(), patients.begin(), patients.end());
  }
  return row;
}

std::string fold_text(const FoldOptions& options, std::int64_t fold) {
  return "fold " + std::to_string(fold + 1) + " of " + std::to_string(options.folds) + ", seed " +
         std::to_string(options.seed) + ", validation " + shortest(options.validation_fraction);
}

std::vector<const Dataset*> all_parts(const PreparedData& data) {
  return {&data.train, &data.validation, &data.test};
}

}  // namespace

std::optional<Fold> fold_named(const std::string& text) {
  long long number = 0, folds = 0;
  unsigned long long seed = 0;
  double validation = 0.0;
  constexpr const char* kPattern = "fold %lld of %lld, seed %llu, validation %lf";
  if (std::sscanf(text.c_str(), kPattern, &number, &folds, &seed, &validation) != 4) return std::nullopt;
  const Fold fold{{folds, validation, seed}, number - 1};
  if (fold.index < 0 || fold.index >= folds || fold_text(fold.options, fold.index) != text) return std::nullopt;
  return fold;
}

PatientStrata patient_strata(const PreparedData& data) {
  std::map<std::string, std::set<int>> labels;
  for (const Dataset* part : all_parts(data)) {
    for (std::int64_t i = 0; i < part->size(); ++i) labels[part->patient(i)].insert(part->label(i));
  }
  PatientStrata strata;
  for (const auto& [patient, classes] : labels) {
    std::string& name = strata[patient];
    for (const int label : classes) name.append(name.empty() ? "" : "+").append(std::to_string(label));
  }
  return strata;
}

PatientParts deal_fold(const PatientStrata& strata, const FoldOptions& options, std::int64_t fold) {
  const std::vector<std::string> row = dealt_row(strata, options.seed);
  Random random(derive_seed(options.seed, "folds/validation", 0, 0, static_cast<std::uint64_t>(fold)));
  const double begin = random.uniform();
  PatientParts parts;
  double others = 0.0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (static_cast<std::int64_t>(i) % options.folds == fold) {
      parts[row[i]] = Split::kTest;
      continue;
    }
    const double before = std::floor(others * options.validation_fraction + begin);
    others += 1.0;
    const double after = std::floor(others * options.validation_fraction + begin);
    parts[row[i]] = after > before ? Split::kValidation : Split::kTrain;
  }
  return parts;
}

PreparedData fold_of(const PreparedData& data, const FoldOptions& options, std::int64_t fold) {
  const PatientStrata strata = patient_strata(data);
  if (static_cast<std::int64_t>(strata.size()) < options.folds) {
    throw InvalidInput("training_data", data.directory.string() + ": " + std::to_string(strata.size()) +
                                            " patients for " + std::to_string(options.folds) +
                                            " folds: set fewer folds");
  }
  std::array<std::set<std::string>, kSplits.size()> patients;
  for (const auto& [patient, part] : deal_fold(strata, options, fold)) {
    patients[static_cast<std::size_t>(part)].insert(patient);
  }
  const auto part = [&](Split which) {
    return Dataset::of_patients(which, all_parts(data), patients[static_cast<std::size_t>(which)]);
  };
  return {data.directory,     data.manifest,           data.digest,
          data.classes,       part(Split::kTrain),     part(Split::kValidation),
          part(Split::kTest), fold_text(options, fold)};
}

}  // namespace pulmo::training
