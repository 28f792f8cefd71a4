#pragma once

#include "pipeline/inspection/distribution.h"

/// What is measured of a collection, for report.yaml and report.html.
namespace pulmo::pipeline::measure {

/// Of CT series (counted by "series") or, where there are none, of pictures (counted by class).
inline constexpr Measure kPixelSpacing{"pixel_spacing_mm", 0.01, 0.0, 10.0};
inline constexpr Measure kSliceThickness{"slice_thickness_mm", 0.05, 0.0, 20.0};
inline constexpr Measure kSliceSpacing{"slice_spacing_mm", 0.05, 0.0, 20.0};
inline constexpr Measure kSlicesOfSeries{"slices_of_series", 1.0, 0.0, 5000.0};
/// Of nodules, counted by "nodules".
inline constexpr Measure kMalignancy{"malignancy", 0.25, 1.0, 5.0};
inline constexpr Measure kReaders{"readers", 1.0, 0.0, 16.0};
/// Of samples, counted by class.
inline constexpr Measure kLungFraction{"lung_fraction", 0.01, 0.0, 1.0};
inline constexpr Measure kMeanIntensity{"mean_intensity", 0.01, 0.0, 1.0};
inline constexpr Measure kRelativeHeight{"relative_height", 0.05, 0.0, 1.0};
/// Of the pixels of samples before preprocessing, every fourth in both directions, counted by class. What lies below
/// the range is padding, no tissue and no air, and not counted.
inline constexpr Measure kPixelsHu{"pixels_hu", 25.0, -1100.0, 1500.0};
inline constexpr Measure kPixelsGrey{"pixels_grey", 0.02, 0.0, 1.0};

}  // namespace pulmo::pipeline::measure
