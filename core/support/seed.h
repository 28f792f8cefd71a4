#pragma once

#include <cstdint>
#include <random>
#include <string_view>

namespace pulmo {

/// The seed for one use of randomness. Every random number of pulmo comes from an engine seeded here, so that a run
/// can be repeated and resumed on any number of ranks. Pure function; the same on every platform.
std::uint64_t derive_seed(std::uint64_t run_seed, std::string_view purpose, std::uint64_t epoch = 0,
                          std::uint64_t rank = 0, std::uint64_t index = 0);

/// One step of SplitMix64 (Steele, Lea, Flood 2014): a well-mixed value for each counter. Good for masks drawn by
/// index.
constexpr std::uint64_t split_mix(std::uint64_t counter) {
  std::uint64_t z = counter + 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31U);
}

/// A generator whose distributions are our own, since those of the standard library differ between implementations.
/// Not thread-safe.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t next() { return engine_(); }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(engine_() >> 11U) * 0x1.0p-53; }
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform in {0, ..., bound - 1}; `bound` must be positive.
  std::uint64_t below(std::uint64_t bound);
  /// Normal with the given mean and standard deviation (Box-Muller).
  double normal(double mean = 0.0, double deviation = 1.0);

  /// Fisher-Yates shuffle of anything with size() and operator[].
  template <typename Sequence>
  void shuffle(Sequence& sequence) {
    for (std::uint64_t i = sequence.size(); i > 1; --i) {
      using std::swap;
      swap(sequence[i - 1], sequence[below(i)]);
    }
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace pulmo
