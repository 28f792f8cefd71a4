#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "training/dataset.h"

namespace pulmo::training {

/// Throws InvalidInput("training_data") where the samples are volumes, or the first one's shard stores no masks of
/// nodules.
void require_outlines(const Dataset& dataset);

/// The readers' outlines of the slices of a data set. Reading is thread-safe.
class ReaderOutlines {
 public:
  /// Reads every mask once, to know how many readers marked what a group (the nodule) shows: as many as outlined its
  /// most outlined pixel. `dataset` must outlive this. Throws InvalidInput("training_data") where a shard stores no
  /// masks of nodules, or the samples are volumes; InvalidInput("shard") for a damaged one.
  explicit ReaderOutlines(const Dataset& dataset);

  /// Readers who marked what the sample's group shows; 0: none.
  int readers(std::int64_t index) const { return readers_[static_cast<std::size_t>(index)]; }

  /// (H,W): round(65535 * share), the share of the nodule's readers who outlined the pixel. From half on it belongs to
  /// their consensus.
  void read(std::int64_t index, std::span<std::uint16_t> out) const;

 private:
  const Dataset& dataset_;
  std::vector<std::uint8_t> readers_;  ///< of each sample's group; 0: nobody marked any of it
};

}  // namespace pulmo::training
