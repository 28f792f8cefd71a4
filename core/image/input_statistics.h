#pragma once

#include <cstdint>
#include <span>

#include "core/image/preprocess.h"

namespace pulmo {

/// What a preprocessed picture is like as a whole. Measured on the pixels that the model gets, so that a stored sample
/// and a served slice are measured alike.
struct InputStatistics {
  double lung_fraction = 1.0;   ///< share of pixels above 0, which the lung mask has left; 1 where nothing is masked
  double mean_intensity = 0.0;  ///< mean value of those, in [0, 1]
};

/// `pixels`: any shape, value = pixel / 65535. Pure function.
InputStatistics input_statistics(std::span<const std::uint16_t> pixels, LungMasking mask);

}  // namespace pulmo
