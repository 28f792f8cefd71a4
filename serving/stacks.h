#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/model/bundle_metadata.h"
#include "serving/prediction.h"

namespace pulmo::serving {

/// Of the slices of one request, for a model of volumes: by which volume each of them is judged.
struct StackPlan {
  std::vector<std::vector<std::size_t>> stacks;      ///< indices of outcomes, in order, `depth` of them at most
  std::vector<std::vector<std::size_t>> groups;      ///< indices of stacks: those of one series
  std::vector<std::optional<std::size_t>> stack_of;  ///< of each outcome; nothing for a refused one
};

/// Slices of one series belong together, ordered as find_series() does, and pictures that are of no series, in the
/// order of their names (natural_less()). Where they are no more than `depth`, all are judged by the one volume that
/// they make, as in training; of a longer series each by itself and its nearest neighbours, as many below as above.
/// Pure function.
StackPlan plan_stacks(const std::vector<SliceOutcome>& slices, std::int64_t depth);

/// One volume, C*D*S*S values: the slices in the middle, as Dataset::stacked() places them, between slices of 0. They
/// hold their Prediction::sample of C*S*S values.
std::vector<std::uint16_t> volume_of(const std::vector<std::size_t>& stack, const std::vector<SliceOutcome>& slices,
                                     const BundleMetadata& metadata);

}  // namespace pulmo::serving
