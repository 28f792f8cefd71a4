#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/phantom/anatomy.h"
#include "pipeline/phantom/lesion.h"
#include "pipeline/phantom/lung_vessels.h"
#include "pipeline/phantom/scanner.h"

namespace pulmo::pipeline::phantom {

/// What a patient carries. Of every eight patients three have malignant nodules only, one both, two benign only, two
/// none.
struct Findings {
  bool malignant = false;
  bool benign = false;
};
Findings findings_of(std::uint64_t seed, int index);

/// Everything about one patient: a pure function of (seed, index, side, slices).
struct Patient {
  int index = 0;           ///< from 0
  std::uint64_t seed = 0;  ///< of the archive
  std::string id;          ///< "PULMO-0001"
  Anatomy anatomy;
  Scanner scanner;
  Scan scan;
  std::vector<LungBranch> lung_branches;
  std::vector<Lesion> lesions;
};
Patient make_patient(std::uint64_t seed, int index, int side_px, int slices);

}  // namespace pulmo::pipeline::phantom
