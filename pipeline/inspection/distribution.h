#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace pulmo::pipeline {

/// A quantity whose distribution over a collection is worth knowing. Values beyond low and high count as these.
struct Measure {
  std::string_view name;  ///< key in report.yaml, with its unit
  double bin = 1.0;
  double low = 0.0;
  double high = 0.0;
};

/// Counts of values in equal bins. Merged by addition, so that neither order nor grouping matters.
class Distribution {
 public:
  explicit Distribution(double bin = 1.0) : bin_(bin) {}

  void add(double value, std::int64_t count = 1);
  /// Both must have the same bins.
  void merge(const Distribution& other);

  double bin() const { return bin_; }
  /// Key k: values that are nearest to k * bin().
  const std::map<std::int64_t, std::int64_t>& counts() const { return counts_; }
  std::int64_t total() const;
  /// Centre of the bin that holds the value with `share` (0 to 1) of all below it. There must be one.
  double quantile(double share) const;

 private:
  double bin_;
  std::map<std::int64_t, std::int64_t> counts_;
};

/// What a run learned of its input beside the samples: for each measure a distribution for each of those that are told
/// apart (classes; "series"; "nodules"), and how many series each scanner gave.
struct Statistics {
  std::map<std::string, std::map<std::string, Distribution>> values;
  std::map<std::string, std::int64_t> scanners;

  void add(const Measure& measure, const std::string& by, double value, std::int64_t count = 1);
  void merge(const Statistics& other);
};

/// `measure: {by: {bin, counts: {centre: count}}}` and `scanners: {name: count}`; empty parts are left out.
YAML::Node to_yaml(const Statistics& statistics);
/// Throws YAML::Exception. An undefined or null node gives empty statistics.
Statistics statistics_from_yaml(const YAML::Node& node);

/// The shortest text of at most nine digits: "0.7", "1.25".
std::string plain_number(double value);

}  // namespace pulmo::pipeline
