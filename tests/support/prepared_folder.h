#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pulmo::testing {

struct PreparedFolderOptions {
  int size_px = 32;             ///< S, at least 16
  int patients = 12;            ///< in all three splits together; at least three a class for a complete split
  int samples_per_patient = 4;  ///< half of them, rounded up, are one group, the rest another
  std::uint64_t seed = 1;
  std::vector<std::string> classes = {"normal", "malignant"};
  bool masks = false;          ///< store lungs and nodules
  int samples_per_shard = 10;  ///< small, so that a split has several shards
  bool mixed_groups = false;   ///< one group a patient, whose first slice has the other class: no stack can be made
  double contrast = 0.35;      ///< brightness of what tells the classes apart; 0: nothing to learn
};

/// Makes a small prepared folder (shards and manifest.yaml) of a slice task without any CT: two bright ellipses as
/// lungs, noise, and class k shown by k bright discs somewhere inside them, so that a network can learn the classes but
/// not by mean brightness alone. A patient has one class. Patients are split 60 / 20 / 20 within each class, at least
/// one each when the class has three. The same options give the same bytes. The folder is created.
void make_prepared_folder(const std::filesystem::path& directory, const PreparedFolderOptions& options = {});

}  // namespace pulmo::testing
