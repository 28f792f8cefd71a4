#pragma once

#include "pipeline/phantom/lesion.h"
#include "pipeline/phantom/readings.h"

namespace pulmo::pipeline::phantom {

/// How one reader rates a nodule of 3 mm or more, on LIDC's scales (each 1 to 5; calcification 1 to 6, 6 is none).
/// Malignancy: malignant 3 to 5, benign 1 to 3, indeterminate 2 to 4.
Ratings rate(const Lesion& lesion, Random& random);

}  // namespace pulmo::pipeline::phantom
