#pragma once

#include <cstdint>

namespace pulmo {

/// Where `count` slices, `depth` at most, begin in a volume of `depth` places: they stand in its middle. Training and
/// serving place them alike.
constexpr std::int64_t first_place(std::int64_t depth, std::int64_t count) {
  return (depth - count) / 2;
}

}  // namespace pulmo
