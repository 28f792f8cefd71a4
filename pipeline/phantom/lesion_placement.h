#pragma once

#include <vector>

#include "pipeline/phantom/lesion.h"
#include "pipeline/phantom/lung_map.h"

namespace pulmo::pipeline::phantom {

/// Finds a place in the lungs where the lesion fits (against the chest wall for a juxtapleural one), clear of those
/// placed before, cut by at least one slice near its middle, and appends it to `placed`. A lesion that fits nowhere is
/// shrunk a little until it does.
void place(Lesion lesion, const Anatomy& anatomy, const LungMap& map, Random& random, std::vector<Lesion>& placed);

}  // namespace pulmo::pipeline::phantom
