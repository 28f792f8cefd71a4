#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace pulmo::features {

/// Values with their names, in the order in which the groups add them.
struct FeatureList {
  std::vector<std::string> names;
  std::vector<float> values;

  /// What is not finite (a ratio of an empty region) counts as 0.
  void add(std::string name, double value) {
    names.push_back(std::move(name));
    values.push_back(std::isfinite(value) ? static_cast<float>(value) : 0.0F);
  }
};

}  // namespace pulmo::features
