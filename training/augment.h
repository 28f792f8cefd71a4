#pragma once

#include <cstdint>
#include <span>

namespace pulmo::training {

struct AugmentOptions {
  bool flips = false;          ///< left-right, up-down and (volumes) head-foot, each with probability 1/2
  bool quarter_turns = false;  ///< 0, 90, 180 or 270 degrees with equal probability; needs square images
  int shift_px = 0;            ///< up to this many pixels in each direction; the edge pixels are repeated
  double scale = 0.0;          ///< enlarged or shrunk by up to 1 + scale about the centre, bilinearly
  double rotation = 0.0;       ///< turned by up to so many degrees either way about the centre, bilinearly
  double intensity = 0.0;      ///< values times 1 +- intensity, plus or minus half of it
  double noise = 0.0;          ///< Gaussian noise of up to this standard deviation

  bool operator==(const AugmentOptions&) const = default;
};

/// Where the output pixel (row, column) is read from, and how its value is changed.
struct Transform {
  bool transpose = false;
  bool flip_rows = false;
  bool flip_columns = false;
  bool flip_slices = false;  ///< of a volume
  int shift_rows = 0;
  int shift_columns = 0;
  double scale = 1.0;  ///< above 1 enlarges
  double angle = 0.0;  ///< radians, clockwise as displayed
  double gain = 1.0;
  double offset = 0.0;
  double noise = 0.0;  ///< standard deviation
  std::uint64_t noise_seed = 0;

  bool operator==(const Transform&) const = default;
};

/// The transform of one sample in one epoch, by its own seed. Pure function.
Transform draw_transform(const AugmentOptions& options, std::uint64_t sample_seed);

struct PlaneSize {
  std::int64_t channels = 1;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t depth = 1;  ///< D

  std::int64_t elements() const { return channels * depth * height * width; }
};

/// Writes value = pixel / 65535 of the transformed (C,H,W) image or (C,D,H,W) volume, all of whose slices are turned
/// and moved alike. A transposing transform needs H = W. Gain, offset and noise leave pixels of value 0 alone, as
/// preprocessing sets all outside of the lungs, and results stay in [0, 1].
void transform_to_float(std::span<const std::uint16_t> pixels, const PlaneSize& size, const Transform& transform,
                        std::span<float> out);

}  // namespace pulmo::training
