#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "training/prepared_data.h"

namespace pulmo::training {

/// One split of the patients and where its rows go, each with its bundle in folder/ROW/bundle.pt.
struct Round {
  PreparedData data;
  std::filesystem::path folder;
};

/// A sample of the test part of one of several rounds.
struct TestSample {
  const Round* round;
  std::int64_t index;
};
/// Sample `index` of the test parts of all rounds, one after another: the order of a row's pooled predictions. Throws
/// std::out_of_range beyond the last.
TestSample test_sample(const std::vector<Round>& rounds, std::size_t index);

}  // namespace pulmo::training
