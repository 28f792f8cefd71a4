#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/inspection/distribution.h"

namespace pulmo::pipeline {

/// How often something happened.
struct CountedReason {
  std::string reason;
  std::int64_t count = 0;
};

/// `report.yaml` of a prepared folder (docs/formats.md), as its readers see it.
struct RunReport {
  std::map<std::string, std::int64_t> totals;
  /// By what was left out (files, series, slices, ...), as the file lists them; each sorted by falling count.
  std::vector<std::pair<std::string, std::vector<CountedReason>>> left_out;
  std::vector<CountedReason> problems;
  std::vector<CountedReason> notes;
  Statistics statistics;
};

/// How often all of them happened.
std::int64_t sum_of(const std::vector<CountedReason>& reasons);

/// nullopt when the folder has none. Throws IoError, or InvalidInput("report") when it is damaged.
std::optional<RunReport> read_run_report(const std::filesystem::path& directory);

}  // namespace pulmo::pipeline
