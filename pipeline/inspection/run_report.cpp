#include "pipeline/inspection/run_report.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "core/support/bytes.h"
#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

std::vector<CountedReason> reasons_from(const YAML::Node& node) {
  std::vector<CountedReason> reasons;
  if (!node.IsDefined()) return reasons;
  for (const auto& item : node) {
    CountedReason entry{item.first.as<std::string>(), item.second["count"].as<std::int64_t>()};
    if (entry.count != 0) reasons.push_back(std::move(entry));
  }
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const CountedReason& a, const CountedReason& b) { return a.count > b.count; });
  return reasons;
}

RunReport report_from(const YAML::Node& node) {
  RunReport report;
  if (node["totals"].IsDefined()) report.totals = node["totals"].as<std::map<std::string, std::int64_t>>();
  for (const auto& scope : node["left_out"]) {
    report.left_out.emplace_back(scope.first.as<std::string>(), reasons_from(scope.second));
  }
  report.problems = reasons_from(node["problems"]);
  report.notes = reasons_from(node["notes"]);
  report.statistics = statistics_from_yaml(node["statistics"]);
  return report;
}

}  // namespace

std::int64_t sum_of(const std::vector<CountedReason>& reasons) {
  std::int64_t sum = 0;
  for (const CountedReason& entry : reasons) sum += entry.count;
  return sum;
}

std::optional<RunReport> read_run_report(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "report.yaml";
  if (!std::filesystem::exists(path)) return std::nullopt;
  const std::string text = read_text_file(path);
  try {
    return report_from(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    throw InvalidInput("report",
                       path.string() + " is damaged (" + error.what() + "); prepare the folder again, or remove it");
  }
}

}  // namespace pulmo::pipeline
