#pragma once

#include <nlohmann/json_fwd.hpp>

#include "core/model/reference.h"

namespace pulmo {

/// The object `reference` of a bundle's metadata: `{quantity: {low, high, edges, counts}}`.
nlohmann::json reference_to_json(const ReferenceStatistics& reference);
/// Throws InvalidInput("bundle") for other keys or types, edges that do not ascend, counts that are negative, all zero
/// or not one more than the edges.
ReferenceStatistics reference_from_json(const nlohmann::json& json);

}  // namespace pulmo
