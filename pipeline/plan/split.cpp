#include "pipeline/plan/split.h"

#include <cmath>
#include <optional>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "core/support/seed.h"
#include "pipeline/input/csv.h"

namespace pulmo::pipeline {
namespace {

/// All patients, stratum after stratum, shuffled inside each.
std::vector<std::string> dealt_row(const std::map<std::string, std::string>& strata, std::uint64_t seed) {
  std::map<std::string, std::vector<std::string>> groups;
  for (const auto& [patient, stratum] : strata) groups[stratum].push_back(patient);
  std::vector<std::string> row;
  for (auto& [stratum, patients] : groups) {
    Random random(derive_seed(seed, "split/" + stratum));
    random.shuffle(patients);
    row.insert(row.end(), patients.begin(), patients.end());
  }
  return row;
}

/// Takes every 1/fraction-th of `row` out, beginning at `offset` in [0, 1).
std::vector<std::string> take(std::vector<std::string>& row, double fraction, double offset) {
  std::vector<std::string> taken;
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double before = std::floor(static_cast<double>(i) * fraction + offset);
    const double after = std::floor(static_cast<double>(i + 1) * fraction + offset);
    (after > before ? taken : rest).push_back(row[i]);
  }
  row = std::move(rest);
  return taken;
}

std::vector<std::string> take_fold(std::vector<std::string>& row, int folds, int fold) {
  std::vector<std::string> taken;
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const bool mine = i % static_cast<std::size_t>(folds) == static_cast<std::size_t>(fold);
    (mine ? taken : rest).push_back(row[i]);
  }
  row = std::move(rest);
  return taken;
}

[[noreturn]] void refuse_empty(std::string_view part, std::size_t patients) {
  throw InvalidInput("split", "the " + std::string(part) + " part would hold none of the " + std::to_string(patients) +
                                  " patients; use more patients, a larger split." + std::string(part) +
                                  "_fraction, or split.mode: none");
}

PatientSplit stratified(const std::map<std::string, std::string>& strata, const SplitOptions& options) {
  std::vector<std::string> train = dealt_row(strata, options.seed);
  Random random(derive_seed(options.seed, "split"));
  const double test_offset = random.uniform();
  const double validation_offset = random.uniform();
  const auto test = options.folds > 1 ? take_fold(train, options.folds, options.fold)
                                      : take(train, options.test_fraction, test_offset);
  const auto validation = take(train, options.validation_fraction, validation_offset);
  if (test.empty() && (options.folds > 1 || options.test_fraction > 0.0)) refuse_empty("test", strata.size());
  if (validation.empty() && options.validation_fraction > 0.0) refuse_empty("validation", strata.size());
  if (train.empty()) {
    throw InvalidInput("split", "the train part would hold none of the " + std::to_string(strata.size()) +
                                    " patients; use more patients, smaller fractions, or split.mode: none");
  }
  PatientSplit split;
  for (const std::string& patient : train) split[patient] = Split::kTrain;
  for (const std::string& patient : validation) split[patient] = Split::kValidation;
  for (const std::string& patient : test) split[patient] = Split::kTest;
  return split;
}

std::optional<Split> split_named(std::string_view name) {
  for (const Split which : kSplits) {
    if (to_string(which) == name) return which;
  }
  return std::nullopt;
}

}  // namespace

PatientSplit split_patients(const std::map<std::string, std::string>& strata, const SplitOptions& options) {
  if (options.mode == SplitMode::kStratified) return stratified(strata, options);
  PatientSplit split;
  if (options.mode == SplitMode::kNone) {
    for (const auto& [patient, stratum] : strata) split[patient] = Split::kTest;
    return split;
  }
  const PatientSplit file = parse_split_file(split_file_of(options), options.file);
  for (const auto& [patient, part] : file) {
    if (strata.count(patient) > 0) split[patient] = part;
  }
  return split;
}

PatientSplit parse_split_file(std::string_view text, const std::string& name) {
  const CsvTable table(text, name);
  const std::size_t patient = table.require("patient");
  const std::size_t part = table.require("split");
  PatientSplit split;
  for (const CsvRow& row : table.rows()) {
    const std::string line = name + ":" + std::to_string(row.line) + ": ";
    const auto which = split_named(row.fields[part]);
    if (!which) {
      throw InvalidInput("csv", line + "split is '" + row.fields[part] + "'; train, validation or test is expected");
    }
    if (row.fields[patient].empty()) throw InvalidInput("csv", line + "the patient is empty");
    const auto [at, fresh] = split.emplace(row.fields[patient], *which);
    if (!fresh && at->second != *which) {
      throw InvalidInput("split", line + "this patient is in " + std::string(to_string(at->second)) + " already");
    }
  }
  return split;
}

std::string split_file_of(const SplitOptions& options) {
  return options.mode == SplitMode::kFile ? read_text_file(options.file) : "";
}

std::string split_file_text(const PatientSplit& split) {
  std::string text = "patient,split\n";
  for (const auto& [patient, part] : split) text += csv_field(patient) + "," + std::string(to_string(part)) + "\n";
  return text;
}

}  // namespace pulmo::pipeline
