#pragma once

#include <optional>
#include <string>

#include "training/options.h"
#include "training/prepared_data.h"

namespace pulmo::training {

/// Training and validation samples as the row `options.model.name` takes them where they are not so prepared: stacks of
/// `options.model.stack_slices` slices for a row of volumes on slices. Nothing where the data serves as it is. Throws
/// as Dataset::stacked().
std::optional<PreparedData> stacked_for(const FitOptions& options, const PreparedData& data);

/// PreparedData::identity(), of stacks or with outlines where the row takes them.
std::string identity_for(const FitOptions& options, const PreparedData& data);

}  // namespace pulmo::training
