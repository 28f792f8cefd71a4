// Runs a bundle's model straight on batches: predictor_bench BUNDLE THREADS SECONDS SIZE... prints one JSON object,
// batch size to the "median" and the "mean" seconds of a run.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "core/model/predictor.h"
#include "core/support/seed.h"

namespace {

using Clock = std::chrono::steady_clock;

pulmo::ImageBatch noise(const pulmo::BundleMetadata& metadata, std::int64_t count) {
  pulmo::Random random(7);
  const std::int64_t size = metadata.spec.size_px;
  pulmo::ImageBatch batch{count, metadata.channels, size, size, {}, metadata.depth};
  const std::int64_t slices = count * batch.channels * std::max<std::int64_t>(1, batch.depth);
  batch.pixels.resize(static_cast<std::size_t>(slices * size * size));
  std::generate(batch.pixels.begin(), batch.pixels.end(),
                [&] { return static_cast<std::uint16_t>(random.below(65536)); });
  return batch;
}

nlohmann::ordered_json seconds_of_runs(const pulmo::Predictor& predictor, std::int64_t count, double budget_s) {
  const pulmo::ImageBatch batch = noise(predictor.metadata(), count);
  for (int i = 0; i < 3; ++i) predictor.predict(batch);
  std::vector<double> times;
  const auto end = Clock::now() + std::chrono::duration<double>(budget_s);
  while (times.size() < 5 || Clock::now() < end) {
    const auto begin = Clock::now();
    predictor.predict(batch);
    times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  const double sum = std::accumulate(times.begin(), times.end(), 0.0);
  return {{"median", *middle}, {"mean", sum / static_cast<double>(times.size())}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: predictor_bench BUNDLE THREADS SECONDS SIZE...\n";
    return 2;
  }
  const auto predictor = pulmo::load_predictor(argv[1], std::atoi(argv[2]));
  nlohmann::ordered_json times;
  for (int i = 4; i < argc; ++i) times[argv[i]] = seconds_of_runs(*predictor, std::atoll(argv[i]), std::atof(argv[3]));
  std::cout << times.dump() << "\n";
  return 0;
}
