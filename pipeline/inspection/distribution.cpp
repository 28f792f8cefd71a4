#include "pipeline/inspection/distribution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace pulmo::pipeline {
namespace {

constexpr const char* kScanners = "scanners";

YAML::Node to_yaml(const Distribution& distribution) {
  YAML::Node node;
  node["bin"] = plain_number(distribution.bin());
  YAML::Node counts(YAML::NodeType::Map);
  for (const auto& [bin, count] : distribution.counts()) {
    counts[plain_number(static_cast<double>(bin) * distribution.bin())] = count;
  }
  counts.SetStyle(YAML::EmitterStyle::Flow);
  node["counts"] = counts;
  return node;
}

Distribution distribution_from_yaml(const YAML::Node& node) {
  Distribution distribution(node["bin"].as<double>());
  for (const auto& item : node["counts"]) distribution.add(item.first.as<double>(), item.second.as<std::int64_t>());
  return distribution;
}

}  // namespace

void Distribution::add(double value, std::int64_t count) {
  if (count != 0 && std::isfinite(value)) counts_[std::llround(value / bin_)] += count;
}

void Distribution::merge(const Distribution& other) {
  for (const auto& [bin, count] : other.counts_) counts_[bin] += count;
}

std::int64_t Distribution::total() const {
  std::int64_t sum = 0;
  for (const auto& [bin, count] : counts_) sum += count;
  return sum;
}

double Distribution::quantile(double share) const {
  const double wanted = share * static_cast<double>(total());
  double below = 0.0;
  for (const auto& [bin, count] : counts_) {
    below += static_cast<double>(count);
    if (below >= wanted && count > 0) return static_cast<double>(bin) * bin_;
  }
  return counts_.empty() ? 0.0 : static_cast<double>(counts_.rbegin()->first) * bin_;
}

void Statistics::add(const Measure& measure, const std::string& by, double value, std::int64_t count) {
  auto& distributions = values[std::string(measure.name)];
  distributions.try_emplace(by, measure.bin).first->second.add(std::clamp(value, measure.low, measure.high), count);
}

void Statistics::merge(const Statistics& other) {
  for (const auto& [name, theirs] : other.values) {
    for (const auto& [by, distribution] : theirs) {
      values[name].try_emplace(by, distribution.bin()).first->second.merge(distribution);
    }
  }
  for (const auto& [name, count] : other.scanners) scanners[name] += count;
}

YAML::Node to_yaml(const Statistics& statistics) {
  YAML::Node node(YAML::NodeType::Map);
  for (const auto& [name, distributions] : statistics.values) {
    for (const auto& [by, distribution] : distributions) node[name][by] = to_yaml(distribution);
  }
  for (const auto& [name, count] : statistics.scanners) node[kScanners][name] = count;
  return node;
}

Statistics statistics_from_yaml(const YAML::Node& node) {
  Statistics statistics;
  if (!node.IsDefined() || node.IsNull()) return statistics;
  for (const auto& item : node) {
    const auto name = item.first.as<std::string>();
    for (const auto& part : item.second) {
      const auto by = part.first.as<std::string>();
      if (name == kScanners) {
        statistics.scanners[by] = part.second.as<std::int64_t>();
      } else {
        statistics.values[name].insert_or_assign(by, distribution_from_yaml(part.second));
      }
    }
  }
  return statistics;
}

std::string plain_number(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value + 0.0);  // no "-0"
  return text.data();
}

}  // namespace pulmo::pipeline
