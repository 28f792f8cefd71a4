#include "core/support/seed.h"

#include <cmath>
#include <numbers>

namespace pulmo {

std::uint64_t derive_seed(std::uint64_t run_seed, std::string_view purpose, std::uint64_t epoch, std::uint64_t rank,
                          std::uint64_t index) {
  std::uint64_t name = 0xcbf29ce484222325ULL;  // FNV-1a of the purpose
  for (const char c : purpose) name = (name ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  std::uint64_t seed = split_mix(run_seed);
  for (const std::uint64_t part : {name, epoch, rank, index}) seed = split_mix(seed ^ part);
  return seed;
}

std::uint64_t Random::below(std::uint64_t bound) {
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;  // rejects the uneven tail
  std::uint64_t value = engine_();
  while (value >= limit) value = engine_();
  return value % bound;
}

double Random::normal(double mean, double deviation) {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return mean + deviation * radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace pulmo
