#include "core/support/binned.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/support/atomic_file.h"
#include "core/support/seed.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using Json = nlohmann::json;

std::vector<double> draw(Random& random, int count, double scale, int distinct) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(std::floor(random.uniform() * distinct) / distinct * scale);
  return values;
}

std::vector<std::int64_t> binned(const BinnedDistribution& distribution, const std::vector<double>& values) {
  std::vector<std::int64_t> counts(distribution.counts.size());
  for (const double value : values) ++counts[distribution.bin_of(value)];
  return counts;
}

TEST(Binned, AgreesWithNumPy) {
  Random random(derive_seed(7, "test.binned"));
  Json cases = Json::array();
  for (const int distinct : {2, 7, 1'000'000}) {
    for (const int count : {1, 9, 10, 500}) {
      const std::vector<double> values = draw(random, count, 1.0, distinct);
      const std::vector<double> live = draw(random, 300, 1.25, distinct);
      const BinnedDistribution bins = bin_by_quantiles(values, 10);
      cases.push_back({{"values", values},
                       {"bins", 10},
                       {"edges", bins.edges},
                       {"counts", bins.counts},
                       {"live", live},
                       {"psi", population_stability_index(bins.counts, binned(bins, live))}});
    }
  }
  const testing::TempDir folder;
  write_file_atomically(folder / "cases.json", cases.dump());
  const auto twin = testing::run_process(
      {testing::python(), testing::source_dir() / "tests/golden/binned_twin.py", folder / "cases.json"});
  EXPECT_EQ(twin.exit_code, 0) << twin.out << twin.err;
}

TEST(Binned, KnowsItsRange) {
  const BinnedDistribution bins = bin_by_quantiles({0.4, 0.2, 0.3}, 10);
  EXPECT_EQ(bins.total(), 3);
  EXPECT_FALSE(bins.is_beyond(0.2));
  EXPECT_FALSE(bins.is_beyond(0.4));
  EXPECT_TRUE(bins.is_beyond(0.19));
  EXPECT_TRUE(bins.is_beyond(0.41));
}

TEST(StabilityIndex, IsZeroForTheSameSharesAndUnknownForNothing) {
  const std::vector<std::int64_t> reference{1, 2, 3};
  EXPECT_EQ(population_stability_index(reference, std::vector<std::int64_t>{10, 20, 30}), 0.0);
  EXPECT_TRUE(std::isnan(population_stability_index(reference, std::vector<std::int64_t>{0, 0, 0})));
}

}  // namespace
}  // namespace pulmo
