#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/store/manifest.h"

namespace pulmo::testing {

/// The samples of a prepared folder, one shard for each split that has any.
struct HandMadeFolder {
  SampleShape shape = {1, 0, 16, 16};
  bool lungs = true;
  bool nodules = true;
  std::vector<std::string> class_names = {"normal", "malignant"};
  std::map<Split, std::vector<Sample>> samples;
  std::map<Split, std::vector<std::string>> listed_patients;  ///< what the manifest says instead of the truth

  /// A sample of this shape: image 1000 + `shade` inside the lungs (columns 4 to 11), black outside, no nodule.
  Sample sample(const std::string& patient, std::uint8_t label, int shade) const;
  /// Writes shards and manifest, and returns the manifest so that a test can write a changed one.
  Manifest write(const std::filesystem::path& directory) const;
};

/// Two patients in train, one in validation and one in test, two samples each, no two pictures alike. Their names hold
/// the word SECRET.
HandMadeFolder small_folder();

}  // namespace pulmo::testing
