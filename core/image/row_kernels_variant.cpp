// Compiled once for each generation of processors (CMakeLists.txt names the flags and PULMO_VARIANT); row_kernels.cpp
// picks one at run time. Nothing inline from a header may be used here but vector_lanes.h: the linker keeps one copy of
// an inline function for the whole program, and that copy could hold instructions that an older processor lacks.
// Products and sums are never contracted to one instruction, so that all variants round alike.
#include "core/image/row_kernels_variant.h"

#include <cstring>

#include "core/support/vector_lanes.h"

namespace pulmo {
namespace {

// No sum runs across lanes, so that their number changes no bit.
constexpr std::int64_t kBytes = kRegisterBytes < std::int64_t{kByteLanes} ? kRegisterBytes : std::int64_t{kByteLanes};
using Bytes = std::uint8_t __attribute__((vector_size(kBytes)));
constexpr std::size_t kTogether = kRegisterBytes == 64 ? 4 : 8;  // vectors of sums that stay in registers

PULMO_INLINE Bytes bytes_at(const std::uint8_t* from) {
  Bytes value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

PULMO_INLINE float at_most(float value, float most) {
  return value < most ? value : most;
}

template <typename Raw, bool kSigned, typename Real>
void convert(const std::uint8_t* stored, const StoredValues& format, std::size_t count, float* values) {
  const unsigned up = format.up;
  const unsigned down = format.down;
  const std::int32_t low = format.padding_low;
  const std::int32_t high = format.padding_high;
  const auto slope = static_cast<Real>(format.slope);
  const auto intercept = static_cast<Real>(format.intercept);
  const float padding_hu = format.padding_hu;
  for (std::size_t i = 0; i < count; ++i) {
    Raw raw = 0;
    std::memcpy(&raw, stored + i * sizeof(Raw), sizeof(Raw));
    const std::uint32_t top = static_cast<std::uint32_t>(raw) << up;
    const std::int32_t value =
        kSigned ? static_cast<std::int32_t>(top) >> down : static_cast<std::int32_t>(top >> down);
    const auto hu = static_cast<float>(static_cast<Real>(value) * slope + intercept);
    const bool padding = (value >= low) & (value <= high);
    values[i] = padding ? at_most(hu, padding_hu) : hu;
  }
}

template <typename Raw>
void convert(const std::uint8_t* stored, const StoredValues& format, std::size_t count, float* values) {
  if (format.is_signed) {
    format.exact_in_float ? convert<Raw, true, float>(stored, format, count, values)
                          : convert<Raw, true, double>(stored, format, count, values);
  } else {
    format.exact_in_float ? convert<Raw, false, float>(stored, format, count, values)
                          : convert<Raw, false, double>(stored, format, count, values);
  }
}

void to_hounsfield(const std::uint8_t* stored, const StoredValues& format, std::size_t count, float* values) {
  switch (format.bytes) {
    case 1: convert<std::uint8_t>(stored, format, count, values); break;
    case 2: convert<std::uint16_t>(stored, format, count, values); break;
    default: convert<std::uint32_t>(stored, format, count, values); break;
  }
}

bool window(const float* in, float scale, float shift, std::size_t count, float* out) {
  constexpr float kLargest = 3.4028234663852886e38F;
  int strange = 0;
  for (std::size_t x = 0; x < count; ++x) {
    const float value = in[x];
    strange |= static_cast<int>(!(value <= kLargest)) | static_cast<int>(!(value >= -kLargest));
    const float moved = value * scale + shift;
    const float positive = moved > 0.0F ? moved : 0.0F;
    out[x] = at_most(positive, 1.0F);
  }
  return strange == 0;
}

void symmetric_sum(const float* weights, std::size_t reach, const float* const* rows, std::size_t count, float* out) {
  const float* const* middle = rows + reach;
  std::size_t x = 0;
  for (; x + kTogether * kLanes <= count; x += kTogether * kLanes) {
    Floats sum[kTogether];
    for (std::size_t i = 0; i < kTogether; ++i) sum[i] = load(*middle + x + i * kLanes) * weights[0];
    for (std::size_t k = 1; k <= reach; ++k) {
      const float* before = *(middle - k) + x;
      const float* after = *(middle + k) + x;
      for (std::size_t i = 0; i < kTogether; ++i) {
        sum[i] += (load(before + i * kLanes) + load(after + i * kLanes)) * weights[k];
      }
    }
    std::memcpy(out + x, sum, sizeof(sum));
  }
  for (; x < count; ++x) {
    float sum = (*middle)[x] * weights[0];
    for (std::size_t k = 1; k <= reach; ++k) sum += ((*(middle - k))[x] + (*(middle + k))[x]) * weights[k];
    out[x] = sum;
  }
}

void add_share(const float* in, float share, std::size_t count, float* sum) {
  for (std::size_t x = 0; x < count; ++x) sum[x] += share * in[x];
}

void extremes(const float* in, std::size_t count, float* low, float* high) {
  Floats lows = Floats{} + *low;
  Floats highs = Floats{} + *high;
  std::size_t x = 0;
  for (; x + kLanes <= count; x += kLanes) {
    const Floats value = load(in + x);
    lows = value < lows ? value : lows;
    highs = value > highs ? value : highs;
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    *low = at_most(*low, lows[lane]);
    *high = *high > highs[lane] ? *high : highs[lane];
  }
  for (; x < count; ++x) {
    *low = at_most(*low, in[x]);
    *high = *high > in[x] ? *high : in[x];
  }
}

void to_bins(const float* in, std::size_t count, std::uint8_t* bins) {
  for (std::size_t x = 0; x < count; ++x) {
    const auto bin = static_cast<std::int32_t>(in[x] * 256.0F);
    const std::int32_t positive = bin > 0 ? bin : 0;
    bins[x] = static_cast<std::uint8_t>(positive < 255 ? positive : 255);
  }
}

void distance_down(const std::uint8_t* above, std::uint8_t limit, std::size_t count, std::uint8_t* here) {
  for (std::size_t x = 0; x < count; ++x) {
    const std::uint8_t further = above[x] < limit ? static_cast<std::uint8_t>(above[x] + 1) : limit;
    here[x] = here[x] != 0 ? std::uint8_t{0} : further;
  }
}

void distance_up(const std::uint8_t* below, std::size_t count, std::uint8_t* here) {
  for (std::size_t x = 0; x < count; ++x) {
    here[x] = here[x] <= below[x] ? here[x] : static_cast<std::uint8_t>(below[x] + 1);
  }
}

void within_disk(const std::uint8_t* distance, const std::uint8_t* heights, std::size_t radius, std::size_t count,
                 std::uint8_t* out) {
  for (std::size_t x = 0; x < count; x += kBytes) {
    Bytes reached = reinterpret_cast<Bytes>(bytes_at(distance + x) <= heights[0]);
    for (std::size_t k = 1; k <= radius; ++k) {
      const Bytes before = bytes_at(distance + x - k);
      const Bytes after = bytes_at(distance + x + k);
      const Bytes nearest = before < after ? before : after;
      reached |= reinterpret_cast<Bytes>(nearest <= heights[k]);
    }
    std::memcpy(out + x, &reached, sizeof(reached));
  }
}

std::size_t count_words(const std::uint8_t* bytes, std::size_t count, const std::uint8_t* first,
                        const std::uint8_t* second) {
  constexpr std::size_t kWord = 4;
  constexpr std::size_t kRounds = 255;  // that a lane's count holds
  std::size_t total = 0;
  std::size_t at = 0;
  while (at + kBytes + kWord <= count) {
    Bytes found{};
    for (std::size_t round = 0; round < kRounds && at + kBytes + kWord <= count; ++round, at += kBytes) {
      const Bytes b0 = bytes_at(bytes + at);
      const Bytes b1 = bytes_at(bytes + at + 1);
      const Bytes b2 = bytes_at(bytes + at + 2);
      const Bytes b3 = bytes_at(bytes + at + 3);
      const auto is_first = (b0 == first[0]) & (b1 == first[1]) & (b2 == first[2]) & (b3 == first[3]);
      const auto is_second = (b0 == second[0]) & (b1 == second[1]) & (b2 == second[2]) & (b3 == second[3]);
      found -= reinterpret_cast<Bytes>(is_first | is_second);
    }
    for (std::size_t lane = 0; lane < kBytes; ++lane) total += found[lane];
  }
  for (; at + kWord <= count; ++at) {
    bool is_first = true;
    bool is_second = true;
    for (std::size_t i = 0; i < kWord; ++i) {
      is_first = is_first && bytes[at + i] == first[i];
      is_second = is_second && bytes[at + i] == second[i];
    }
    total += static_cast<std::size_t>(is_first || is_second);
  }
  return total;
}

}  // namespace

RowKernels PULMO_VARIANT_NAME(row_kernels_, PULMO_VARIANT)() {
  return {to_hounsfield, window,        symmetric_sum, add_share,   extremes,
          to_bins,       distance_down, distance_up,   within_disk, count_words};
}

}  // namespace pulmo
