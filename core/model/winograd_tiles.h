#pragma once

#include <cstdint>
#include <cstring>

#include "core/model/pool_lanes.h"
#include "core/model/winograd_kernels.h"
#include "core/model/winograd_transforms.h"

/// How Winograd's filtering reads the tiles of maps and writes those of results: see winograd_kernels.h.
namespace pulmo {

struct WinogradPlace {
  std::int64_t slice, y, x;  // of the tile's first result
};

PULMO_INLINE WinogradPlace place_of(std::int64_t tile, const WinogradShape& shape) {
  const std::int64_t columns = (shape.width + 3) / 4;
  const std::int64_t tiles = (shape.height + 3) / 4 * columns;
  const std::int64_t within = tile % tiles;
  return {tile / tiles, within / columns * 4, within % columns * 4};
}

/// One slice, (height, width, channels).
template <typename Real>
struct WinogradSlice {
  Real* values;
  std::int64_t height, width, channels;
};

/// Where the values of a tile lie, vector by vector.
template <typename Real>
struct WinogradPatch {
  Real* values;
  std::int64_t row;     // values from one row to the next
  std::int64_t column;  // likewise
};

/// kSide x kSide pixels from (y, x) on, which may lie over the edges: there they are copied to `copy`, with zeros
/// around.
template <std::int64_t kSide, typename Real>
PULMO_INLINE WinogradPatch<const Real> patch_at(const WinogradSlice<const Real>& slice, std::int64_t y, std::int64_t x,
                                                Real* copy) {
  const std::int64_t row = slice.width * slice.channels;
  if (y >= 0 && x >= 0 && y + kSide <= slice.height && x + kSide <= slice.width) {
    return {slice.values + y * row + x * slice.channels, row, slice.channels};
  }
  const std::int64_t left = x < 0 ? -x : 0;
  const std::int64_t right = x + kSide > slice.width ? slice.width - x : kSide;
  std::memset(copy, 0, static_cast<std::size_t>(kSide * kSide * slice.channels) * sizeof(Real));
  for (std::int64_t i = y < 0 ? -y : 0; right > left && i < kSide && y + i < slice.height; ++i) {
    std::memcpy(copy + (i * kSide + left) * slice.channels, slice.values + (y + i) * row + (x + left) * slice.channels,
                static_cast<std::size_t>((right - left) * slice.channels) * sizeof(Real));
  }
  return {copy, kSide * slice.channels, slice.channels};
}

/// Pooled values' gradient and who won, of the windows that a tile's pixels lie in.
template <typename Real>
struct WinogradPooledPatch {
  WinogradPatch<const Real> values;
  WinogradPatch<const std::uint8_t> winners;
};

/// The j-th column of a patch, channels c and on.
template <std::int64_t kSide, typename Real>
PULMO_INLINE void read_column(const WinogradPatch<const Real>& patch, std::int64_t j, std::int64_t c, Floats* column) {
#pragma GCC unroll 6
  for (std::int64_t i = 0; i < kSide; ++i) column[i] = load(patch.values + i * patch.row + j * patch.column + c);
}

/// Likewise of the gradient before pooling: each window's winner has its value, the others nothing. The first row and
/// column of 6x6 pixels are the last ones of their windows.
template <std::int64_t kSide, typename Real>
PULMO_INLINE void read_column(const WinogradPooledPatch<Real>& patch, std::int64_t j, std::int64_t c, Floats* column) {
  constexpr std::int64_t kFirst = kSide == 6 ? 1 : 0;
  const std::int64_t right = (j + kFirst) % 2;
#pragma GCC unroll 6
  for (std::int64_t i = 0; i < kSide; ++i) {
    const std::int64_t window = (i + kFirst) / 2 * patch.values.row + (j + kFirst) / 2 * patch.values.column + c;
    const std::int64_t winner = (i + kFirst) / 2 * patch.winners.row + (j + kFirst) / 2 * patch.winners.column + c;
    const Words place = Words{} + static_cast<std::int32_t>((i + kFirst) % 2 * 2 + right);
    column[i] = places_of(patch.winners.values + winner) == place ? load(patch.values.values + window) : Floats{};
  }
}

/// Transforms kSide x kSide values in both directions to the 36 points; `to` + i * point is where the i-th point's
/// channels go.
template <typename Transform, std::int64_t kSide, typename From>
PULMO_INLINE void to_points(const From& patch, std::int64_t channels, std::int64_t point, float* to) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    Floats half[kSide * 6];  // transformed along the columns: [column][row]
#pragma GCC unroll 6
    for (std::int64_t j = 0; j < kSide; ++j) {
      Floats values[kSide];
      read_column<kSide>(patch, j, c, values);
      Transform::template apply<1>(values, half + j * 6);
    }
    for (std::int64_t i = 0; i < 6; ++i) {
      Floats points[6];
      Transform::template apply<6>(half + i, points);
#pragma GCC unroll 6
      for (std::int64_t j = 0; j < 6; ++j) store(to + (i * 6 + j) * point + c, points[j]);
    }
  }
}

/// A tile's results of channels c and on, transformed back along the columns: [column][row].
PULMO_INLINE void half_of_results(const float* from, std::int64_t point, std::int64_t c, Floats (&half)[24],
                                  Floats& size) {
  for (std::int64_t j = 0; j < 6; ++j) {
    Floats m[6];
#pragma GCC unroll 6
    for (std::int64_t i = 0; i < 6; ++i) m[i] = load(from + (i * 6 + j) * point + c);
    add_sizes(m, size);
    transform_output(m, half + j * 4);
  }
}

/// The i-th row of a tile's results.
PULMO_INLINE void row_of_results(const Floats (&half)[24], std::int64_t i, const Floats& size, Floats (&row)[4]) {
  transform_output<4>(half + i, row);
#pragma GCC unroll 4
  for (Floats& value : row) value = without_noise(value, kNoise * size);
}

/// The 4x4 results of a tile, plus the bias.
template <typename Real>
PULMO_INLINE void output_tile(const float* from, std::int64_t point, std::int64_t channels, const float* bias,
                              const WinogradPatch<Real>& patch) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    Floats half[24], size{};
    half_of_results(from, point, c, half, size);
    const Floats added = load(bias + c) + overflow(size);
    for (std::int64_t i = 0; i < 4; ++i) {
      Floats row[4];
      row_of_results(half, i, size, row);
#pragma GCC unroll 4
      for (std::int64_t j = 0; j < 4; ++j) store(patch.values + i * patch.row + j * patch.column + c, row[j] + added);
    }
  }
}

/// The winners of a tile's four windows, of which `rows` x `columns` lie within the maps: pooled, plus the bias, and
/// where they stood (may be null).
template <typename Real>
PULMO_INLINE void pooled_tile(const float* from, std::int64_t point, std::int64_t channels, const float* bias,
                              std::int64_t rows, std::int64_t columns, const WinogradPatch<Real>& pooled,
                              std::uint8_t* winners) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    Floats half[24], size{};
    half_of_results(from, point, c, half, size);
    const Floats added = load(bias + c) + overflow(size);
    for (std::int64_t i = 0; i < rows; ++i) {
      Floats top[4], bottom[4];
      row_of_results(half, 2 * i, size, top);
      row_of_results(half, 2 * i + 1, size, bottom);
#pragma GCC unroll 2
      for (std::int64_t j = 0; j < 2; ++j) {
        if (j >= columns) break;
        Winner winner{top[2 * j], Words{}};
        compete(winner, top[2 * j + 1], 1);
        compete(winner, bottom[2 * j], 2);
        compete(winner, bottom[2 * j + 1], 3);
        const std::int64_t to = i * pooled.row + j * pooled.column + c;
        finish(winner, added, pooled.values + to, winners == nullptr ? nullptr : winners + to);
      }
    }
  }
}

/// What of a tile's results lies within the slice, from `copy` to it.
template <typename Real>
PULMO_INLINE void copy_within(const Real* copy, const WinogradPlace& place, const WinogradSlice<Real>& slice) {
  const std::int64_t rows = slice.height - place.y < 4 ? slice.height - place.y : 4;
  const std::int64_t columns = slice.width - place.x < 4 ? slice.width - place.x : 4;
  for (std::int64_t i = 0; i < rows; ++i) {
    std::memcpy(slice.values + ((place.y + i) * slice.width + place.x) * slice.channels, copy + i * 4 * slice.channels,
                static_cast<std::size_t>(columns * slice.channels) * sizeof(Real));
  }
}

}  // namespace pulmo
