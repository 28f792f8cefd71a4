#pragma once

#include "training/evaluation/faithfulness_file.h"

namespace pulmo::training::testing {

/// Of grad_cam and the two baselines on four samples of three patients, with curves; grad_cam's deletion is 0.300.
Faithfulness some_faithfulness();

}  // namespace pulmo::training::testing
