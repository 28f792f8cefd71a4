#pragma once

#include <cstddef>
#include <cstdint>

namespace pulmo {

/// How the stored value of a CT pixel lies in its bytes, and what it stands for (DICOM PS3.3 C.7.6.3 and C.11.1).
struct StoredValues {
  int bytes = 2;  ///< of a value: 1, 2 or 4, in this machine's order
  bool is_signed = false;
  unsigned up = 0;  ///< shifted up by these in 32 bits, then down: extends the sign, drops what lies above the high bit
  unsigned down = 0;
  std::int32_t padding_low = 1;  ///< from low to high, both included, stands for "no data"
  std::int32_t padding_high = 0;
  double slope = 1.0;  ///< hu = slope * value + intercept
  double intercept = 0.0;
  bool exact_in_float = false;  ///< floats give what doubles give
  float padding_hu = 0.0F;      ///< padding becomes at most this
};

inline constexpr std::size_t kByteLanes = 32;

/// Inside core/image only. The loops over pixels that preparing a slice spends its time in, compiled for several
/// generations of processors; all give the same bits. Pure functions.
struct RowKernels {
  /// values[i] = HU of the i-th of `count` values at `stored`.
  void (*to_hounsfield)(const std::uint8_t* stored, const StoredValues& format, std::size_t count, float* values);
  /// out[x] = in[x] * scale + shift, cut to [0, 1]. False when one of them is not finite.
  bool (*window)(const float* in, float scale, float shift, std::size_t count, float* out);
  /// out[x] = weights[0] rows[reach][x] + the sum over k = 1 ... reach of weights[k] (rows[reach - k][x] +
  /// rows[reach + k][x]), in that order.
  void (*symmetric_sum)(const float* weights, std::size_t reach, const float* const* rows, std::size_t count,
                        float* out);
  /// sum[x] += share * in[x].
  void (*add_share)(const float* in, float share, std::size_t count, float* sum);
  /// Lowers *low and raises *high to the values, none of which is NaN.
  void (*extremes)(const float* in, std::size_t count, float* low, float* high);
  /// bins[x] = in[x] * 256 as a whole number, cut to 0 ... 255.
  void (*to_bins)(const float* in, std::size_t count, std::uint8_t* bins);
  /// here[x] = 0 where it is set, else one more than above[x], at most `limit`.
  void (*distance_down)(const std::uint8_t* above, std::uint8_t limit, std::size_t count, std::uint8_t* here);
  /// here[x] = the lower of here[x] and one more than below[x].
  void (*distance_up)(const std::uint8_t* below, std::size_t count, std::uint8_t* here);
  /// out[x] = 255 where distance[x - k] or distance[x + k] is at most heights[k] for a k of 0 ... radius, else 0.
  /// `count` is a multiple of kByteLanes.
  void (*within_disk)(const std::uint8_t* distance, const std::uint8_t* heights, std::size_t radius, std::size_t count,
                      std::uint8_t* out);
  /// How often one of two words of four bytes lies in the bytes, at any place.
  std::size_t (*count_words)(const std::uint8_t* bytes, std::size_t count, const std::uint8_t* first,
                             const std::uint8_t* second);
};

/// Those for this processor.
const RowKernels& row_kernels();

}  // namespace pulmo
