#pragma once

#include <vector>

#include "training/evaluation/comparison.h"
#include "training/rounds.h"

namespace pulmo::training {

/// Fills ComparedRow::attention of a row that weighs the slices of a volume, from the bundles that its predictions are
/// of, those of the rounds; leaves other rows as they are. `row.test` are the test samples of all rounds, one after
/// another. Slices that are not there are left out. Throws as load_predictor() and Dataset::stacked().
void draw_attention(ComparedRow& row, const std::vector<Round>& rounds);

}  // namespace pulmo::training
