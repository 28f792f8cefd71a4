#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/support/seed.h"

namespace pulmo::pipeline::phantom {

/// What a point of the phantom is made of.
enum class Tissue : std::uint8_t {
  kAir,
  kTableShell,
  kTableCore,
  kSkin,
  kFat,
  kMuscle,
  kGland,
  kCortical,
  kMarrow,
  kCartilage,
  kDisc,
  kCanal,
  kCord,
  kLung,
  kAirwayWall,
  kAirwayLumen,
  kMediastinalFat,
  kMyocardium,
  kArterialBlood,
  kVenousBlood,
  kOesophagus,
  kLiver,
  kSpleen,
  kStomach,
  kGas,
};
inline constexpr std::size_t kTissueCount = static_cast<std::size_t>(Tissue::kGas) + 1;

/// CT number of each tissue of one patient, HU.
using TissueTable = std::array<float, kTissueCount>;

/// Textbook values (docs/phantom.md has the table with sources) with a spread between patients; `contrast` is the gain
/// of arterial blood by contrast medium, HU (0 for a native scan).
TissueTable make_tissue_table(Random& random, double contrast);

}  // namespace pulmo::pipeline::phantom
