#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/bundle_metadata.h"
#include "serving/isolation/decoded_slice.h"

namespace pulmo::serving {

/// How a series is judged; told in every answer.
inline constexpr std::string_view kSeriesRule =
    "probability: highest mean of a slice and its two neighbours; class: as for a slice, at the slices' operating "
    "point";

/// One slice of a request, as far as series are concerned.
struct PlacedSlice {
  SlicePlace place;
  std::vector<double> probabilities;  ///< K; empty when the slice was refused
};

/// One series: its slices in order along the normal, towards the head.
struct Series {
  struct Point {
    std::size_t slice = 0;              ///< index into the slices given
    std::optional<double> position_mm;  ///< along the normal; nullopt when some slice of the series has no position
    std::optional<double> probability;  ///< of the positive class; nullopt when the slice was refused
    std::optional<double> smoothed;     ///< mean of it and its predicted neighbours
  };
  /// Neighbouring slices whose smoothed probability reaches the operating point.
  struct Region {
    std::size_t first = 0, last = 0, peak = 0;  ///< indices into points
    double probability = 0.0;                   ///< smoothed, at the peak
  };

  std::vector<Point> points;
  std::size_t predicted = 0;
  std::optional<double> spacing_mm;   ///< median distance of neighbours
  std::optional<double> probability;  ///< nullopt when no slice was predicted
  std::string class_name;             ///< empty likewise
  std::vector<Region> suspicious;     ///< the most probable first
  std::vector<std::string> warnings;  ///< for people
};

/// Angle between the normal of the image plane and the patient's z axis; 0 is an axial slice, 90 a coronal one.
double tilt_degrees(const SlicePlace& place);

/// Every series of two slices or more, in the order of their first slices. Slices belong together when their
/// SeriesInstanceUID is the same. Order: along the normal (pointing to the head), or by instance number when a
/// slice has no position. A slice's smoothed probability is the mean of its own and those of the two neighbours in that
/// order, refused ones and those beyond a gap (1.5 times the median distance) left out; the series' is the highest of
/// them, so that one slice alone, which noise or a vessel may explain, counts for a third. Pure function.
std::vector<Series> find_series(const std::vector<PlacedSlice>& slices, const BundleMetadata& metadata);

}  // namespace pulmo::serving
