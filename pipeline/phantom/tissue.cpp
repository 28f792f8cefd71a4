#include "pipeline/phantom/tissue.h"

#include <cmath>

namespace pulmo::pipeline::phantom {
namespace {

struct TissueValue {
  Tissue tissue;
  double mean_hu;
  double deviation_hu;   ///< between patients
  double contrast_gain;  ///< share of the arterial gain
};

constexpr std::array<TissueValue, kTissueCount> kValues = {{
    {Tissue::kAir, -1000, 0, 0},
    {Tissue::kTableShell, 140, 0, 0},
    {Tissue::kTableCore, -930, 0, 0},
    {Tissue::kSkin, 5, 5, 0.02},
    {Tissue::kFat, -105, 6, 0},
    {Tissue::kMuscle, 55, 5, 0.05},
    {Tissue::kGland, 15, 10, 0.05},
    {Tissue::kCortical, 640, 70, 0},
    {Tissue::kMarrow, 190, 40, 0.03},
    {Tissue::kCartilage, 105, 12, 0},
    {Tissue::kDisc, 82, 6, 0},
    {Tissue::kCanal, 14, 4, 0},
    {Tissue::kCord, 38, 3, 0.02},
    {Tissue::kLung, -865, 18, 0.03},
    {Tissue::kAirwayWall, 10, 10, 0.05},
    {Tissue::kAirwayLumen, -985, 5, 0},
    {Tissue::kMediastinalFat, -95, 6, 0},
    {Tissue::kMyocardium, 48, 3, 0.22},
    {Tissue::kArterialBlood, 42, 3, 1.0},
    {Tissue::kVenousBlood, 41, 3, 0.72},
    {Tissue::kOesophagus, 36, 4, 0.06},
    {Tissue::kLiver, 58, 5, 0.14},
    {Tissue::kSpleen, 49, 4, 0.28},
    {Tissue::kStomach, 22, 8, 0},
    {Tissue::kGas, -980, 8, 0},
}};

}  // namespace

TissueTable make_tissue_table(Random& random, double contrast) {
  TissueTable table{};
  for (const TissueValue& value : kValues) {
    table[static_cast<std::size_t>(value.tissue)] = static_cast<float>(
        std::round(random.normal(value.mean_hu, value.deviation_hu) + contrast * value.contrast_gain));
  }
  return table;
}

}  // namespace pulmo::pipeline::phantom
