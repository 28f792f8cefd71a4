#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "pipeline/inspection/prepared_data.h"

namespace pulmo::pipeline {

struct MontageOptions {
  int columns = 6;
  int samples_per_class = 12;
  int tile_px = 224;           ///< side of one picture in the montage, 64 to 1024
  std::uint64_t seed = 1;      ///< of the choice of samples
  std::optional<Split> split;  ///< only this one; otherwise all three in turn
  bool outlines = true;        ///< draw the masks' outlines where they are stored
};

/// Writes a PNG that shows a prepared folder at a glance: a grid for each class with samples of as many patients as
/// possible, the splits taking turns, each captioned with class, split, position and where to find it (file and sample,
/// never the patient). Outlines: lungs in cyan; nodules as any reader saw them in yellow and, where readers disagree,
/// as at least half of them saw them in red. A volume is shown by the slice that holds most of the nodule, or the
/// middle one; of several channels the first. The same folder and options give the same picture. Throws IoError, and
/// InvalidInput("manifest", "shard", "montage").
void write_montage(const std::filesystem::path& directory, const MontageOptions& options,
                   const std::filesystem::path& png);

/// The pictures of one class in such a grid, without heading and legend, as the bytes of a PNG. Throws
/// InvalidInput("montage") also for a class without samples.
std::string class_montage_png(const PreparedData& data, std::uint8_t label, const MontageOptions& options);

}  // namespace pulmo::pipeline
