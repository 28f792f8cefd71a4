#include "core/model/reference_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/support/error.h"

namespace pulmo {
namespace {

using nlohmann::json;

struct Quantity {
  const char* key;
  BinnedDistribution ReferenceStatistics::*value;
};
constexpr std::array<Quantity, 3> kQuantities{{{"lung_fraction", &ReferenceStatistics::lung_fraction},
                                               {"mean_intensity", &ReferenceStatistics::mean_intensity},
                                               {"positive_probability", &ReferenceStatistics::positive_probability}}};

[[noreturn]] void refuse(const std::string& where, const std::string& why) {
  throw InvalidInput("bundle", where + ": " + why + "; export the bundle again");
}

void check(const BinnedDistribution& distribution, const std::string& where) {
  const auto& [low, high, edges, counts] = distribution;
  if (!std::isfinite(low) || !std::isfinite(high) || low > high) refuse(where, "low and high are no range");
  if (!std::is_sorted(edges.begin(), edges.end(), std::less_equal<>())) refuse(where, "the edges do not ascend");
  if (counts.size() != edges.size() + 1) refuse(where, "there must be one count more than edges");
  const bool negative = std::any_of(counts.begin(), counts.end(), [](std::int64_t count) { return count < 0; });
  if (negative || distribution.total() == 0) refuse(where, "the counts must not be negative nor all 0");
}

BinnedDistribution distribution_from(const json& document, const std::string& where) {
  BinnedDistribution result;
  try {
    result = {document.at("low").get<double>(), document.at("high").get<double>(),
              document.at("edges").get<std::vector<double>>(), document.at("counts").get<std::vector<std::int64_t>>()};
  } catch (const json::exception&) {
    refuse(where, "low, high, edges and counts must be numbers");
  }
  if (document.size() != 4) refuse(where, "there is more than low, high, edges and counts");
  check(result, where);
  return result;
}

}  // namespace

json reference_to_json(const ReferenceStatistics& reference) {
  json result;
  for (const Quantity& quantity : kQuantities) {
    const BinnedDistribution& value = reference.*quantity.value;
    result[quantity.key] = {{"low", value.low}, {"high", value.high}, {"edges", value.edges}, {"counts", value.counts}};
  }
  return result;
}

ReferenceStatistics reference_from_json(const json& document) {
  if (!document.is_object() || document.size() != kQuantities.size()) refuse("reference", "three quantities expected");
  ReferenceStatistics result;
  for (const Quantity& quantity : kQuantities) {
    const std::string where = std::string("reference.") + quantity.key;
    if (!document.contains(quantity.key)) refuse(where, "missing");
    result.*quantity.value = distribution_from(document[quantity.key], where);
  }
  return result;
}

}  // namespace pulmo
