#pragma once

#include <cstdint>
#include <span>

namespace pulmo::training {

struct AugmentOptions {
  bool flips = false;          ///< left-right and up-down, each with probability 1/2
  bool quarter_turns = false;  ///< 0, 90, 180 or 270 degrees with equal probability; needs square images
  int shift_px = 0;            ///< up to this many pixels in each direction; the edge pixels are repeated

  bool operator==(const AugmentOptions&) const = default;
};

/// Where the output pixel (row, column) is read from.
struct Transform {
  bool transpose = false;
  bool flip_rows = false;
  bool flip_columns = false;
  int shift_rows = 0;
  int shift_columns = 0;

  bool operator==(const Transform&) const = default;
};

/// The transform of one sample in one epoch, by its own seed. Pure function.
Transform draw_transform(const AugmentOptions& options, std::uint64_t sample_seed);

struct PlaneSize {
  std::int64_t channels = 1;
  std::int64_t height = 0;
  std::int64_t width = 0;

  std::int64_t elements() const { return channels * height * width; }
};

/// Writes value = pixel / 65535 of the transformed (C,H,W) image. A transposing transform needs H = W.
void transform_to_float(std::span<const std::uint16_t> pixels, const PlaneSize& size, const Transform& transform,
                        std::span<float> out);

}  // namespace pulmo::training
