// Compiled once for each generation of processors (CMakeLists.txt names the flags and PULMO_VARIANT);
// winograd_kernels.cpp picks one at run time. Nothing inline from a header may be used here but kernel_lanes.h,
// pool_lanes.h and winograd_{products,tiles,transforms}.h: the linker keeps one copy of an inline function for the
// whole program, and that copy could hold instructions that an older processor lacks.
#include "core/model/winograd_kernels_variant.h"

#include <cstdint>
#include <cstring>

#include "core/model/kernel_lanes.h"
#include "core/model/winograd_products.h"
#include "core/model/winograd_tiles.h"
#include "core/model/winograd_transforms.h"

namespace pulmo {
namespace {

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

/// The kSide x kSide pixels of a tile, those of 6x6 beginning one before it, to `to`.
template <typename Transform, std::int64_t kSide, bool kPooled, typename Real>
PULMO_INLINE void transform_tile(const WinogradMaps<Real>& maps, const WinogradShape& shape, std::int64_t channels,
                                 const WinogradPlace& place, const Scratch& scratch, std::int64_t point, float* to) {
  constexpr std::int64_t kBefore = kSide == 6 ? 1 : 0;
  Real* copy = reinterpret_cast<Real*>(scratch.copy);
  if constexpr (kPooled) {
    constexpr std::int64_t kWindows = kSide / 2 + kBefore;
    const std::int64_t height = shape.height / 2, width = shape.width / 2;
    const std::int64_t y = place.y / 2 - kBefore, x = place.x / 2 - kBefore;
    const std::int64_t first = place.slice * height * width * channels;
    std::uint8_t* winners = reinterpret_cast<std::uint8_t*>(copy + kWindows * kWindows * channels);
    const WinogradPooledPatch<Real> patch = {
        patch_at<kWindows>(WinogradSlice<const Real>{maps.values + first, height, width, channels}, y, x, copy),
        patch_at<kWindows>(WinogradSlice<const std::uint8_t>{maps.winners + first, height, width, channels}, y, x,
                           winners)};
    to_points<Transform, kSide>(patch, channels, point, to);
  } else {
    const WinogradSlice<const Real> slice = {maps.values + place.slice * shape.height * shape.width * channels,
                                             shape.height, shape.width, channels};
    to_points<Transform, kSide>(patch_at<kSide>(slice, place.y - kBefore, place.x - kBefore, copy), channels, point,
                                to);
  }
}

template <bool kPooled, typename Real>
PULMO_INLINE void input_tiles(const WinogradMaps<Real>& maps, const WinogradShape& shape, const TileRange& tiles,
                              const Scratch& scratch) {
  float* to = scratch.in;
  for (std::int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
    const WinogradPlace place = place_of(tile, shape);
    for (std::int64_t tap = 0; tap < shape.taps; ++tap, to += shape.in) {
      const std::int64_t away = tap - shape.taps / 2;
      const std::int64_t depth = place.slice % shape.depth + away;
      if (depth < 0 || depth >= shape.depth) {
        for (std::int64_t point = 0; point < kWinogradPoints; ++point) clear(to + point * scratch.in_point, shape.in);
        continue;
      }
      transform_tile<OfInput, 6, kPooled>(maps, shape, shape.in, {place.slice + away, place.y, place.x}, scratch,
                                          scratch.in_point, to);
    }
  }
}

template <typename Real>
PULMO_INLINE void output_tiles(const WinogradShape& shape, const TileRange& tiles, const float* bias,
                               const Scratch& scratch, Real* result) {
  const float* from = scratch.out;
  for (std::int64_t tile = tiles.begin; tile < tiles.end; ++tile, from += shape.out) {
    const WinogradPlace place = place_of(tile, shape);
    const std::int64_t row = shape.width * shape.out;
    Real* to = result + place.slice * shape.height * row;
    if (place.y + 4 <= shape.height && place.x + 4 <= shape.width) {
      output_tile<Real>(from, scratch.out_point, shape.out, bias,
                        {to + place.y * row + place.x * shape.out, row, shape.out});
    } else {
      Real* copy = reinterpret_cast<Real*>(scratch.copy);
      output_tile<Real>(from, scratch.out_point, shape.out, bias, {copy, 4 * shape.out, shape.out});
      copy_within<Real>(copy, place, {to, shape.height, shape.width, shape.out});
    }
  }
}

template <bool kWinners, typename Real>
PULMO_INLINE void pooled_tiles(const WinogradShape& shape, const TileRange& tiles, const float* bias,
                               const Scratch& scratch, const WinogradResults<Real>& results) {
  const std::int64_t height = shape.height / 2, width = shape.width / 2;
  const float* from = scratch.out;
  for (std::int64_t tile = tiles.begin; tile < tiles.end; ++tile, from += shape.out) {
    const WinogradPlace place = place_of(tile, shape);
    const std::int64_t y = place.y / 2, x = place.x / 2;
    const std::int64_t to = ((place.slice * height + y) * width + x) * shape.out;
    pooled_tile<Real>(from, scratch.out_point, shape.out, bias, y + 2 <= height ? 2 : height - y,
                      x + 2 <= width ? 2 : width - x, {results.values + to, width * shape.out, shape.out},
                      kWinners ? results.winners + to : nullptr);
  }
}

void transform(const float* weights, std::int64_t count, float* transformed) {
  to_points<OfWeights, 3>(WinogradPatch<const float>{weights, 3 * count, count}, count, count, transformed);
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
void conv(const WinogradMaps<Real>& maps, const float* weights, const float* bias, const WinogradShape& shape,
          const TileRange& tiles, float* memory, const WinogradResults<Real>& results) {
  const std::int64_t count = tiles.end - tiles.begin;
  const std::int64_t rows = whole_rows(count);
  const std::int64_t all_in = shape.taps * shape.in;
  const Scratch scratch(shape, rows, memory);
  if (!maps.pooled) {
    input_tiles<false>(maps, shape, tiles, scratch);
  } else {
    input_tiles<true>(maps, shape, tiles, scratch);
  }
  for (std::int64_t point = 0; point < kWinogradPoints; ++point) {
    float* in = scratch.in + point * scratch.in_point;
    clear(in + count * all_in, (rows - count) * all_in);
    multiply_point(in, weights + point * all_in * shape.out, shape, rows, scratch.out + point * scratch.out_point);
  }
  if (!results.pooled) {
    output_tiles(shape, tiles, bias, scratch, results.values);
  } else if (results.winners == nullptr) {
    pooled_tiles<false>(shape, tiles, bias, scratch, results);
  } else {
    pooled_tiles<true>(shape, tiles, bias, scratch, results);
  }
}

template <bool kPooled, typename Real>
PULMO_INLINE void gradient_tiles(const WinogradMaps<Real>& gradient, const WinogradShape& shape, const TileRange& tiles,
                                 const Scratch& scratch) {
  float* to = scratch.out;
  for (std::int64_t tile = tiles.begin; tile < tiles.end; ++tile, to += shape.out) {
    transform_tile<OfGradient, 4, kPooled>(gradient, shape, shape.out, place_of(tile, shape), scratch,
                                           scratch.out_point, to);
  }
}

template <typename Real>
void weights_gradient(const Real* maps, const WinogradMaps<Real>& gradient, const WinogradShape& shape,
                      const TileRange& tiles, float* memory, float* result, bool add) {
  const std::int64_t count = tiles.end - tiles.begin;
  const Scratch scratch(shape, whole_rows(count), memory);
  input_tiles<false>(WinogradMaps<Real>{maps}, shape, tiles, scratch);
  if (!gradient.pooled) {
    gradient_tiles<false>(gradient, shape, tiles, scratch);
  } else {
    gradient_tiles<true>(gradient, shape, tiles, scratch);
  }
  for (std::int64_t point = 0; point < kWinogradPoints; ++point) {
    add_outer_point(scratch.in + point * scratch.in_point, scratch.out + point * scratch.out_point, shape, count,
                    result + point * shape.taps * shape.in * shape.out, add);
  }
}

}  // namespace

WinogradKernels PULMO_VARIANT_NAME(winograd_kernels_, PULMO_VARIANT)() {
  return {
      transform, transform_back, {conv<float>, weights_gradient<float>}, {conv<Bf16Bits>, weights_gradient<Bf16Bits>}};
}

}  // namespace pulmo
