#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/image/input_statistics.h"
#include "core/model/reference.h"

namespace pulmo::serving {

/// A sentence for people on each measure of a picture that lies outside of all the samples that the model was validated
/// on. Nothing without a reference. Pure function.
std::vector<std::string> unusual_input(const std::optional<ReferenceStatistics>& reference,
                                       const InputStatistics& input);

}  // namespace pulmo::serving
