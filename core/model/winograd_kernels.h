#pragma once

#include <cstdint>

#include "core/model/bf16_bits.h"

namespace pulmo {

// 3x3 convolutions of the slices with padding 1 and stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin, Gray
// 2016): a tile of 4x4 results takes 36 products per pair of channels instead of 144. The products are those of 36
// matrices, in float32 whatever the maps are stored in. Interpolation points 0, +-1/sqrt(2), +-sqrt(2) and infinity:
// their powers stay close to 1, so that the rounding errors do (those of the usual 0, +-1, +-2 are about twice as
// large).
//
// Of one dimension, y = A'((G g) * (B' d)): four results of six values and three weights, primes for transposition.
// The functions below need a processor of ProcessorLevel::kV3 or kV4. Any number of threads at once.

/// A batch of maps in memory order N, D, H, W, C ("channels-last") and the results, of the same D, H and W. Channels
/// are multiples of 16.
struct WinogradShape {
  std::int64_t depth = 1;  ///< slices of a volume
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t taps = 1;  ///< slices that a result is made of: 1, or 3, which is a 3x3x3 convolution with padding 1
  std::int64_t in = 0;    ///< channels of the maps
  std::int64_t out = 0;   ///< channels of the results

  // Functions of this header are not for the kernels' own file: see there.

  /// Of all slices that make a result.
  std::int64_t all_in() const { return taps * in; }
  /// Of one slice.
  std::int64_t tiles() const { return (height + 3) / 4 * ((width + 3) / 4); }
};

/// Some of the tiles of a batch, numbered slice by slice, row by row.
struct TileRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

inline constexpr std::int64_t kWinogradPoints = 36;  ///< of the transform of a tile, 6 x 6
inline constexpr std::int64_t kWinogradPanel = 16;   ///< channels whose weights lie side by side

/// What is read, of values of one type: maps. Or, pooled, the gradient of the maps that pool_bias_relu() pooled
/// (pool_kernels.h), as the gradient of pooled maps (H/2, W/2) and who won.
template <typename Real>
struct WinogradMaps {
  const Real* values = nullptr;
  bool pooled = false;
  const std::uint8_t* winners = nullptr;
};

/// Where results go: as they are; or pooled, and then who won (unless null), as pool_bias_relu() would leave them.
template <typename Real>
struct WinogradResults {
  Real* values = nullptr;
  bool pooled = false;
  std::uint8_t* winners = nullptr;
};

/// How many tiles are best taken by one call of winograd_conv() and of winograd_weights_gradient().
struct WinogradTiles {
  std::int64_t conv = 0;
  std::int64_t weights = 0;
};
WinogradTiles winograd_tiles_at_once(const WinogradShape& shape);
/// The floats of scratch that a call for so many tiles, a multiple of 12, needs; best aligned to a line of the cache.
std::int64_t winograd_scratch_size(const WinogradShape& shape, std::int64_t tiles);

/// G g G' of `count` pairs of channels, a multiple of 16: `weights` (9, count) to (36, count).
void winograd_transform(const float* weights, std::int64_t count, float* transformed);
/// G' u G, what the gradient (36, count) of transformed weights means to the weights (9, count).
void winograd_transform_back(const float* transformed, std::int64_t count, float* weights);

/// The results of some tiles, plus the bias (out). `weights` (36, out / 16, taps * in, 16) are transformed.
void winograd_conv(const WinogradMaps<float>& maps, const float* weights, const float* bias, const WinogradShape& shape,
                   const TileRange& tiles, float* scratch, const WinogradResults<float>& results);
void winograd_conv(const WinogradMaps<Bf16Bits>& maps, const float* weights, const float* bias,
                   const WinogradShape& shape, const TileRange& tiles, float* scratch,
                   const WinogradResults<Bf16Bits>& results);

/// What some tiles contribute to the gradient of the transformed weights, (36, taps * in, out): its like of the weights
/// themselves is G' x G. Adds it to, or takes the place of, what `weights_gradient` holds. `gradient` is that of the
/// results.
void winograd_weights_gradient(const float* maps, const WinogradMaps<float>& gradient, const WinogradShape& shape,
                               const TileRange& tiles, float* scratch, float* weights_gradient, bool add);
void winograd_weights_gradient(const Bf16Bits* maps, const WinogradMaps<Bf16Bits>& gradient, const WinogradShape& shape,
                               const TileRange& tiles, float* scratch, float* weights_gradient, bool add);

}  // namespace pulmo
