#pragma once

#include <cstdint>
#include <cstring>

#include "core/model/kernel_lanes.h"
#include "core/model/pool_kernels.h"

/// The competition of a 2x2 window's values for the maximum, channel by channel of a vector: see pool_kernels.h.
namespace pulmo {

using Bytes = std::uint8_t __attribute__((vector_size(kLanes)));

/// The running winner of a window. A type of its own for each width of vectors.
template <typename Value, typename Place>
struct WinnerOf {
  Value value;
  Place place;
};
using Winner = WinnerOf<Floats, Words>;

// A NaN wins and stays.
PULMO_INLINE void compete(Winner& winner, const Floats& value, std::int32_t place) {
  const Words wins = ~(value <= winner.value) & is_number(winner.value);
  winner.value = wins ? value : winner.value;
  winner.place = wins ? Words{} + place : winner.place;
}

// `winners` may be null.
template <typename Real>
PULMO_INLINE void finish(const Winner& winner, const Floats& bias, Real* pooled, std::uint8_t* winners) {
  const Floats sum = winner.value + bias;
  const Words stopped = sum <= 0.0F;
  store(pooled, stopped ? Floats{} : sum);
  if (winners == nullptr) return;
  const Words place = stopped ? Words{} + kNoWinner : winner.place;
  const Bytes places = __builtin_convertvector(__builtin_convertvector(place, Halves), Bytes);
  std::memcpy(winners, &places, sizeof(places));
}

PULMO_INLINE Words places_of(const std::uint8_t* winners) {
  Bytes places;
  std::memcpy(&places, winners, sizeof(places));
  return __builtin_convertvector(__builtin_convertvector(places, Halves), Words);
}

}  // namespace pulmo
