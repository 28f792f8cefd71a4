#pragma once

#include <cstddef>
#include <vector>

#include "core/model/bundle_metadata.h"
#include "serving/prediction.h"

namespace pulmo::serving {

/// Index of the positive class; K when the model names none.
std::size_t positive_index(const BundleMetadata& metadata);

/// The positive class when its probability reaches the operating threshold, else the most probable of the others; the
/// most probable of all when the model names no positive class. Pure.
std::size_t choose_class(const BundleMetadata& metadata, const std::vector<double>& probabilities);

/// Fills in probabilities and class of a prediction whose slice is described already, and adds the model's warnings.
void judge(const BundleMetadata& metadata, std::vector<double> probabilities, Prediction& prediction);

}  // namespace pulmo::serving
