#include "core/support/seed.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using nlohmann::json;

// The same numbers from a second implementation in Python.
json twin() {
  const auto script = testing::source_dir() / "tests/golden/seed_twin.py";
  const auto result = testing::run_process({testing::python().string(), script.string()});
  if (result.exit_code != 0) throw std::runtime_error(result.err);
  return json::parse(result.out);
}

template <typename Draw>
auto draws(std::uint64_t seed, std::size_t count, const Draw& draw) {
  Random random(seed);
  std::vector<decltype(draw(random))> values(count);
  for (auto& value : values) value = draw(random);
  return values;
}

TEST(Seed, AgreesWithItsTwinInPython) {
  const json expected = twin();
  EXPECT_EQ(json({split_mix(0), split_mix(1), split_mix(2), split_mix(UINT64_MAX)}), expected["split_mix"]);
  EXPECT_EQ(json({derive_seed(0, ""), derive_seed(1, "dropout"), derive_seed(UINT64_MAX, "augment", 3, 1, 7),
                  derive_seed(1, "Ærø", 0, 0, UINT64_MAX)}),
            expected["derive_seed"]);
}

TEST(Random, AgreesWithItsTwinInPython) {
  const json expected = twin();
  EXPECT_EQ(draws(5489, 10000, [](Random& r) { return r.next(); }).back(), expected["next"]);
  EXPECT_EQ(json(draws(1, 700, [](Random& r) { return r.uniform(); })), expected["uniform"]);
  EXPECT_EQ(json(draws(2, 50, [](Random& r) { return r.below(7); })), expected["below"]);
  EXPECT_EQ(json(draws(3, 50, [](Random& r) { return r.below((std::uint64_t{1} << 63U) + 1); })),
            expected["below_huge"]);
  const auto normal = draws(4, 50, [](Random& r) { return r.normal(); });
  for (std::size_t i = 0; i < normal.size(); ++i) EXPECT_NEAR(normal[i], expected["normal"][i], 1e-12);
  std::vector<int> shuffled(20);
  std::iota(shuffled.begin(), shuffled.end(), 0);
  Random(5).shuffle(shuffled);
  EXPECT_EQ(json(shuffled), expected["shuffle"]);
}

// [rand.predef]: the 10000th value of a default-constructed std::mt19937_64, whose seed is 5489.
TEST(Random, IsTheEngineOfTheStandard) {
  EXPECT_EQ(draws(5489, 10000, [](Random& r) { return r.next(); }).back(), 9981545732273789042ULL);
}

// The published test values of SplitMix64 for the seed 1234567.
TEST(Seed, SplitMixIsTheOneOfItsAuthors) {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15ULL;
  EXPECT_EQ(split_mix(1234567), 6457827717110365317ULL);
  EXPECT_EQ(split_mix(1234567 + kStep), 3203168211198807973ULL);
  EXPECT_EQ(split_mix(1234567 + 2 * kStep), 9817491932198370423ULL);
}

TEST(Seed, EveryPartOfTheNameMatters) {
  std::set<std::uint64_t> seeds;
  for (std::uint64_t run : {0, 1})
    for (const char* purpose : {"dropout", "augment"})
      for (std::uint64_t epoch : {0, 1})
        for (std::uint64_t rank : {0, 1})
          for (std::uint64_t index : {0, 1}) seeds.insert(derive_seed(run, purpose, epoch, rank, index));
  EXPECT_EQ(seeds.size(), 32U);
}

TEST(Random, ValuesStayInTheirRange) {
  Random random(7);
  for (int i = 0; i < 10000; ++i) {
    const double value = random.uniform(-2.0, 3.0);
    ASSERT_GE(value, -2.0);
    ASSERT_LT(value, 3.0);
    ASSERT_LT(random.below(3), 3U);
    ASSERT_EQ(random.below(1), 0U);
  }
}

// With 100,000 draws the mean lies within 0.02 of its expectation but once in 10^9 runs, and the seed is fixed.
TEST(Random, NormalHasTheMeanAndDeviationAskedFor) {
  Random random(8);
  double sum = 0.0;
  double squares = 0.0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.normal(5.0, 2.0);
    sum += value;
    squares += (value - 5.0) * (value - 5.0);
  }
  EXPECT_NEAR(sum / kDraws, 5.0, 0.04);
  EXPECT_NEAR(squares / kDraws, 4.0, 0.15);
}

TEST(Random, ShuffleKeepsTheElementsOfShortSequencesToo) {
  Random random(9);
  for (std::size_t size = 0; size < 5; ++size) {
    std::vector<std::size_t> values(size);
    std::iota(values.begin(), values.end(), 0U);
    random.shuffle(values);
    std::sort(values.begin(), values.end());
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(values[i], i);
  }
}

}  // namespace
}  // namespace pulmo
