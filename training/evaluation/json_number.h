#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

namespace pulmo::training {

/// A figure in JSON: null where it is not defined (NaN), for which JSON has no number.
inline nlohmann::ordered_json json_number(double value) {
  return std::isnan(value) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(value);
}

}  // namespace pulmo::training
