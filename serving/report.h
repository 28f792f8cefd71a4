#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/model/bundle_metadata.h"
#include "serving/prediction.h"
#include "serving/series.h"

namespace pulmo::serving {

/// A request's outcomes as its client is told of them: in the order of the uploads, but the slices of a series stand
/// together where its first one stands, ordered along the normal.
struct Report {
  struct Entry {
    std::size_t outcome = 0;            ///< index into the outcomes
    std::optional<std::size_t> series;  ///< index into series; nullopt for a file of its own
    std::optional<double> position_mm;  ///< of a slice of a series
  };
  std::vector<Entry> entries;
  std::vector<Series> series;  ///< `slice` of their points are indices into entries
  std::size_t skipped = 0;     ///< files in archives that are no pictures
  bool archived = false;       ///< there was an archive
  bool summary_only = false;   ///< the entries of series are left out of the answer
};

/// Pure function.
Report make_report(const std::vector<SliceOutcome>& outcomes, const BundleMetadata& metadata);

}  // namespace pulmo::serving
