// Compiled once for each generation of processors (CMakeLists.txt names the flags and PULMO_VARIANT);
// winograd_kernels.cpp picks one at run time. Nothing inline from a header may be used here but kernel_lanes.h and
// winograd_transforms.h: the linker keeps one copy of an inline function for the whole program, and that copy could
// hold instructions that an older processor lacks.
#include "core/model/winograd_kernels_variant.h"

#include <cstdint>
#include <cstring>

#include "core/model/kernel_lanes.h"
#include "core/model/winograd_transforms.h"

namespace pulmo {
namespace {

// How many rows and vectors of a product stay in registers.
#if defined(__AVX512F__)
constexpr std::int64_t kRows = 12, kVectors = 2;
#else
constexpr std::int64_t kRows = 6, kVectors = 2;
#endif
static_assert(kWinogradTiles % kRows == 0);
constexpr std::int64_t kGradientRows = kRows == 12 ? 8 : 4;  // they divide 16

/// Where the 6x6 or 4x4 values of a tile lie, vector by vector.
template <typename Real>
struct Patch {
  Real* values;
  std::int64_t row;     // values from one row to the next
  std::int64_t column;  // likewise
};

struct Place {
  std::int64_t slice, y, x;  // of the tile's first result
};

PULMO_INLINE Place place_of(std::int64_t tile, const WinogradShape& shape) {
  const std::int64_t columns = (shape.width + 3) / 4;
  const std::int64_t tiles = (shape.height + 3) / 4 * columns;
  const std::int64_t within = tile % tiles;
  return {tile / tiles, within / columns * 4, within % columns * 4};
}

/// kSide x kSide pixels from (y, x) on, which may lie over the edges: there they are copied to `copy`, with zeros
/// around.
template <std::int64_t kSide, typename Real>
PULMO_INLINE Patch<const Real> patch_at(const Real* image, std::int64_t y, std::int64_t x, const WinogradShape& shape,
                                        std::int64_t channels, Real* copy) {
  const std::int64_t row = shape.width * channels;
  if (y >= 0 && x >= 0 && y + kSide <= shape.height && x + kSide <= shape.width) {
    return {image + y * row + x * channels, row, channels};
  }
  const std::int64_t left = x < 0 ? -x : 0;
  const std::int64_t right = x + kSide > shape.width ? shape.width - x : kSide;
  std::memset(copy, 0, static_cast<std::size_t>(kSide * kSide * channels) * sizeof(Real));
  for (std::int64_t i = y < 0 ? -y : 0; i < kSide && y + i < shape.height; ++i) {
    std::memcpy(copy + (i * kSide + left) * channels, image + (y + i) * row + (x + left) * channels,
                static_cast<std::size_t>((right - left) * channels) * sizeof(Real));
  }
  return {copy, kSide * channels, channels};
}

/// Transforms kSide x kSide values in both directions to the 36 points; `to` + i * point is where the i-th point's
/// channels go.
template <typename Transform, std::int64_t kSide, typename Real>
PULMO_INLINE void to_points(const Patch<const Real>& patch, std::int64_t channels, std::int64_t point, float* to) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    Floats half[kSide * 6];  // transformed along the columns: [column][row]
    for (std::int64_t j = 0; j < kSide; ++j) {
      Floats values[kSide];
#pragma GCC unroll 6
      for (std::int64_t i = 0; i < kSide; ++i) values[i] = load(patch.values + i * patch.row + j * patch.column + c);
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

/// The 4x4 results of a tile, plus the bias.
template <typename Real>
PULMO_INLINE void output_tile(const float* from, std::int64_t point, std::int64_t channels, const float* bias,
                              const Patch<Real>& patch) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    Floats half[6 * 4], size{};
    for (std::int64_t j = 0; j < 6; ++j) {
      Floats m[6];
#pragma GCC unroll 6
      for (std::int64_t i = 0; i < 6; ++i) m[i] = load(from + (i * 6 + j) * point + c);
      add_sizes(m, size);
      transform_output(m, half + j * 4);
    }
    const Floats added = load(bias + c) + overflow(size);
    for (std::int64_t i = 0; i < 4; ++i) {
      Floats y[4];
      transform_output<4>(half + i, y);
#pragma GCC unroll 6
      for (std::int64_t j = 0; j < 4; ++j) {
        store(patch.values + i * patch.row + j * patch.column + c, without_noise(y[j], kNoise * size) + added);
      }
    }
  }
}

/// What of a tile's results lies within the image, from `copy` to it.
template <typename Real>
PULMO_INLINE void copy_within(const Real* copy, const Place& place, const WinogradShape& shape, Real* image) {
  const std::int64_t rows = shape.height - place.y < 4 ? shape.height - place.y : 4;
  const std::int64_t columns = shape.width - place.x < 4 ? shape.width - place.x : 4;
  for (std::int64_t i = 0; i < rows; ++i) {
    std::memcpy(image + ((place.y + i) * shape.width + place.x) * shape.out, copy + i * 4 * shape.out,
                static_cast<std::size_t>(columns * shape.out) * sizeof(Real));
  }
}

/// kCount rows of tiles (T, in), in of all taps, times kWide vectors of weights: (in, 16) panels, side by side. All
/// loops over sums are unrolled, or GCC keeps the sums in memory.
template <std::int64_t kCount, std::int64_t kWide>
PULMO_INLINE void multiply(const float* tiles, const float* weights, std::int64_t in, std::int64_t out, float* result) {
  Floats sums[kCount][kWide];
#pragma GCC unroll 16
  for (std::int64_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) sums[t][v] = Floats{};
  }
  for (std::int64_t c = 0; c < in; ++c) {
    Floats row[kWide];
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) {
      const std::int64_t channel = v * kLanes;
      const std::int64_t panel = channel / kWinogradPanel * in + c;
      row[v] = load(weights + panel * kWinogradPanel + channel % kWinogradPanel);
    }
#pragma GCC unroll 16
    for (std::int64_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 2
      for (std::int64_t v = 0; v < kWide; ++v) sums[t][v] += tiles[t * in + c] * row[v];
    }
  }
#pragma GCC unroll 16
  for (std::int64_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) store(result + t * out + v * kLanes, sums[t][v]);
  }
}

/// One point of `count` tiles, a multiple of kRows.
PULMO_INLINE void multiply_point(const float* tiles, const float* weights, const WinogradShape& shape,
                                 std::int64_t count, float* result) {
  const std::int64_t in = shape.taps * shape.in;
  std::int64_t k = 0;
  for (; k + kVectors * kLanes <= shape.out; k += kVectors * kLanes) {
    for (std::int64_t t = 0; t < count; t += kRows) {
      multiply<kRows, kVectors>(tiles + t * in, weights + k * in, in, shape.out, result + t * shape.out + k);
    }
  }
  for (; k < shape.out; k += kWinogradPanel) {  // of AVX-512 the last half
    for (std::int64_t t = 0; t < count; t += kRows) {
      multiply<kRows, kWinogradPanel / kLanes>(tiles + t * in, weights + k * in, in, shape.out,
                                               result + t * shape.out + k);
    }
  }
}

template <std::int64_t kWide>
PULMO_INLINE void add_outer(const float* tiles, const float* gradient, const WinogradShape& shape, std::int64_t count,
                            float* result) {
  const std::int64_t in = shape.taps * shape.in;
  Floats sums[kGradientRows][kWide];
#pragma GCC unroll 16
  for (std::int64_t c = 0; c < kGradientRows; ++c) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) sums[c][v] = Floats{};
  }
  for (std::int64_t t = 0; t < count; ++t) {
    Floats row[kWide];
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) row[v] = load(gradient + t * shape.out + v * kLanes);
#pragma GCC unroll 16
    for (std::int64_t c = 0; c < kGradientRows; ++c) {
#pragma GCC unroll 2
      for (std::int64_t v = 0; v < kWide; ++v) sums[c][v] += tiles[t * in + c] * row[v];
    }
  }
#pragma GCC unroll 16
  for (std::int64_t c = 0; c < kGradientRows; ++c) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) {
      float* to = result + c * shape.out + v * kLanes;
      store(to, load(to) + sums[c][v]);
    }
  }
}

/// One point's gradient (taps * in, out): adds tiles' (count, taps * in) transposed times (count, out).
PULMO_INLINE void add_outer_point(const float* tiles, const float* gradient, const WinogradShape& shape,
                                  std::int64_t count, float* result) {
  std::int64_t k = 0;
  for (; k + kVectors * kLanes <= shape.out; k += kVectors * kLanes) {
    for (std::int64_t c = 0; c < shape.taps * shape.in; c += kGradientRows) {
      add_outer<kVectors>(tiles + c, gradient + k, shape, count, result + c * shape.out + k);
    }
  }
  for (; k < shape.out; k += kWinogradPanel) {
    for (std::int64_t c = 0; c < shape.taps * shape.in; c += kGradientRows) {
      add_outer<kWinogradPanel / kLanes>(tiles + c, gradient + k, shape, count, result + c * shape.out + k);
    }
  }
}

/// How a call's scratch is cut. Points are a few values further apart than they are long: a tile's 36 would else lie in
/// the same set of the cache.
struct Scratch {
  Scratch(const WinogradShape& shape, std::int64_t count, float* memory)
      : in_point(count * shape.taps * shape.in + kWinogradGap),
        out_point(count * shape.out + kWinogradGap),
        in(memory),
        out(in + kWinogradPoints * in_point),
        copy(out + kWinogradPoints * out_point) {}

  std::int64_t in_point, out_point;
  float* in;
  float* out;
  float* copy;
};

PULMO_INLINE void clear(float* values, std::int64_t count) {
  std::memset(values, 0, static_cast<std::size_t>(count) * sizeof(float));
}

PULMO_INLINE std::int64_t whole_rows(std::int64_t count) {
  return (count + kRows - 1) / kRows * kRows;
}

template <typename Real>
PULMO_INLINE void input_tiles(const Real* maps, const WinogradShape& shape, const TileRange& tiles,
                              const Scratch& scratch) {
  const std::int64_t slice = shape.height * shape.width * shape.in;
  float* to = scratch.in;
  for (std::int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
    const Place place = place_of(tile, shape);
    for (std::int64_t tap = 0; tap < shape.taps; ++tap, to += shape.in) {
      const std::int64_t away = tap - shape.taps / 2;
      const std::int64_t depth = place.slice % shape.depth + away;
      if (depth < 0 || depth >= shape.depth) {
        for (std::int64_t point = 0; point < kWinogradPoints; ++point) clear(to + point * scratch.in_point, shape.in);
        continue;
      }
      const Patch<const Real> patch = patch_at<6>(maps + (place.slice + away) * slice, place.y - 1, place.x - 1, shape,
                                                  shape.in, reinterpret_cast<Real*>(scratch.copy));
      to_points<OfInput, 6>(patch, shape.in, scratch.in_point, to);
    }
  }
}

void transform(const float* weights, std::int64_t count, float* transformed) {
  to_points<OfWeights, 3, float>({weights, 3 * count, count}, count, count, transformed);
}

void transform_back(const float* transformed, std::int64_t count, float* weights) {
  for (std::int64_t n = 0; n < count; n += kLanes) {
    Floats half[6 * 3], size{};
    for (std::int64_t j = 0; j < 6; ++j) {
      Floats u[6];
#pragma GCC unroll 6
      for (std::int64_t i = 0; i < 6; ++i) u[i] = load(transformed + (i * 6 + j) * count + n);
      add_sizes(u, size);
      transform_weights_back(u, half + j * 3);
    }
    for (std::int64_t i = 0; i < 3; ++i) {
      Floats g[3];
      transform_weights_back<3>(half + i, g);
#pragma GCC unroll 6
      for (std::int64_t j = 0; j < 3; ++j)
        store(weights + (i * 3 + j) * count + n, without_noise(g[j], kNoiseOfSums * size) + overflow(size));
    }
  }
}

template <typename Real>
void conv(const Real* maps, const float* weights, const float* bias, const WinogradShape& shape, const TileRange& tiles,
          float* memory, Real* result) {
  const std::int64_t count = tiles.end - tiles.begin;
  const std::int64_t rows = whole_rows(count);
  const std::int64_t all_in = shape.taps * shape.in;
  const Scratch scratch(shape, rows, memory);
  input_tiles(maps, shape, tiles, scratch);
  for (std::int64_t point = 0; point < kWinogradPoints; ++point) {
    float* in = scratch.in + point * scratch.in_point;
    clear(in + count * all_in, (rows - count) * all_in);
    multiply_point(in, weights + point * all_in * shape.out, shape, rows, scratch.out + point * scratch.out_point);
  }
  const std::int64_t slice = shape.height * shape.width * shape.out;
  for (std::int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
    const Place place = place_of(tile, shape);
    const float* from = scratch.out + (tile - tiles.begin) * shape.out;
    Real* to = result + place.slice * slice;
    const std::int64_t row = shape.width * shape.out;
    if (place.y + 4 <= shape.height && place.x + 4 <= shape.width) {
      output_tile<Real>(from, scratch.out_point, shape.out, bias,
                        {to + place.y * row + place.x * shape.out, row, shape.out});
    } else {
      Real* copy = reinterpret_cast<Real*>(scratch.copy);
      output_tile<Real>(from, scratch.out_point, shape.out, bias, {copy, 4 * shape.out, shape.out});
      copy_within(copy, place, shape, to);
    }
  }
}

template <typename Real>
void weights_gradient(const Real* maps, const Real* gradient, const WinogradShape& shape, const TileRange& tiles,
                      float* memory, float* result) {
  const std::int64_t count = tiles.end - tiles.begin;
  const Scratch scratch(shape, whole_rows(count), memory);
  input_tiles(maps, shape, tiles, scratch);
  const std::int64_t slice = shape.height * shape.width * shape.out;
  for (std::int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
    const Place place = place_of(tile, shape);
    const Patch<const Real> patch = patch_at<4>(gradient + place.slice * slice, place.y, place.x, shape, shape.out,
                                                reinterpret_cast<Real*>(scratch.copy));
    to_points<OfGradient, 4>(patch, shape.out, scratch.out_point, scratch.out + (tile - tiles.begin) * shape.out);
  }
  for (std::int64_t point = 0; point < kWinogradPoints; ++point) {
    add_outer_point(scratch.in + point * scratch.in_point, scratch.out + point * scratch.out_point, shape, count,
                    result + point * shape.taps * shape.in * shape.out);
  }
}

}  // namespace

#define PULMO_CONCATENATE(a, b) a##b
#define PULMO_NAME(variant) PULMO_CONCATENATE(winograd_kernels_, variant)

WinogradKernels PULMO_NAME(PULMO_VARIANT)() {
  return {
      transform, transform_back, {conv<float>, weights_gradient<float>}, {conv<Bf16Bits>, weights_gradient<Bf16Bits>}};
}

}  // namespace pulmo
