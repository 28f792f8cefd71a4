#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/inspection/prepared_data.h"

namespace pulmo::pipeline {

/// One sample of a prepared folder.
struct SampleAddress {
  Split split = Split::kTrain;
  std::size_t shard = 0;  ///< index in the split
  std::int64_t sample = 0;

  bool operator==(const SampleAddress&) const = default;
};

struct ChoiceOptions {
  std::size_t count = 0;  ///< at most so many
  std::uint64_t seed = 1;
  std::optional<Split> split;  ///< only this one
};

/// Samples of one class: the splits take turns, and within a split no patient comes twice before all have come once.
/// Sorted by split, shard and sample. Pure function of the data and the options.
std::vector<SampleAddress> choose_samples(const PreparedData& data, std::uint8_t label, const ChoiceOptions& options);

}  // namespace pulmo::pipeline
