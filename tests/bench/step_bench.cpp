// The training step by itself, on random images: how long forward and backward, the exchange and the update take.
//   [mpirun -n N] step_bench [--precision fp32] [--size 224] [--batch 32] [--threads 1] [--steps 10] [--warm-up 6]
//   [--row proposed_cnn] [--depth 0] [--exchange fp32|bf16] [--overlap] [--no-factors] [--device cpu|cuda]
// --depth: slices of an image of a row that takes volumes. A row that outlines nodules is given outlines too.
// Rank 0 prints one JSON object: the median of the steps in milliseconds, and images a second of all ranks together.
#include <ATen/Parallel.h>
#include <torch/cuda.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "core/support/seed.h"
#include "training/launch.h"
#include "training/step.h"

namespace pulmo::training {
namespace {

struct BenchOptions {
  std::string row = "proposed_cnn";
  std::string precision = "fp32";
  std::int64_t size_px = 224;
  std::int64_t depth = 0;
  std::int64_t batch = 32;  ///< of all ranks together
  int threads = 1;          ///< of one rank
  int warm_up = 6;          ///< steps that are not measured: memory is got from the system in the first few
  int steps = 10;           ///< measured
  std::string exchange = "fp32";
  bool overlap = false;
  bool factors = true;
  Device device;
};

Precision precision_of(const std::string& name) {
  return name == "bf16" ? Precision::kBf16 : Precision::kFp32;
}

Batch random_batch(const BenchOptions& options, std::int64_t count, std::uint64_t seed) {
  Random random(derive_seed(seed, "bench"));
  Batch batch;
  for (std::int64_t i = 0; i < count; ++i) {
    batch.indices.push_back(i);
    batch.labels.push_back(i % 2);
    batch.dropout_seeds.push_back(derive_seed(seed, "dropout", i));
  }
  const std::int64_t area = options.size_px * options.size_px;
  batch.pixels.resize(static_cast<std::size_t>(count * std::max<std::int64_t>(1, options.depth) * area));
  for (float& pixel : batch.pixels) pixel = static_cast<float>(random.uniform());
  if (learns_outlines(options.row)) batch.outlines.assign(static_cast<std::size_t>(count * area), 0.25F);
  return batch;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Times {
  std::vector<double> compute, exchange, update, step;  // ms
};

Times measure(const BenchOptions& options, const Communicator& ranks) {
  using Clock = std::chrono::steady_clock;
  const auto ms = [](Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); };
  Weights weights(make_network({.name = options.row, .depth = options.depth, .size_px = options.size_px}),
                  precision_of(options.precision), options.device);
  Adam adam(weights, {});
  const ExchangeType type = options.exchange == "bf16" ? ExchangeType::kBf16 : ExchangeType::kFp32;
  const auto sync = ranks.size() > 1 ? make_mpi_sync(ranks, type, options.overlap) : make_local_sync();
  const ExchangeChoice factors = options.factors ? ExchangeChoice::kAuto : ExchangeChoice::kOff;
  TrainingStep step({weights,
                     adam,
                     *sync,
                     {1, options.depth, options.size_px, options.size_px},
                     {1.0, 1.0},
                     factored_layers(weights.network(), factors, options.batch, ranks.size())});
  const Batch batch = random_batch(options, options.batch / ranks.size(), static_cast<std::uint64_t>(ranks.rank()));
  Times times;
  for (int i = -options.warm_up; i < options.steps; ++i) {
    ranks.barrier();
    const auto start = Clock::now();
    step.backward(batch, options.batch);
    const auto computed = Clock::now();
    step.exchange();
    const auto exchanged = Clock::now();
    step.update(1e-3);
    if (options.device.is_gpu()) torch::cuda::synchronize(options.device.gpu);
    const auto end = Clock::now();
    if (i < 0) continue;
    times.compute.push_back(ms(computed - start));
    times.exchange.push_back(ms(exchanged - computed));
    times.update.push_back(ms(end - exchanged));
    times.step.push_back(ms(end - start));
  }
  return times;
}

int run(int argc, char** argv) {
  Communicator ranks(&argc, &argv);
  BenchOptions options;
  CLI::App app("the training step on random images");
  app.add_option("--row", options.row);
  app.add_option("--precision", options.precision)->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_option("--size", options.size_px);
  app.add_option("--depth", options.depth);
  app.add_option("--batch", options.batch);
  app.add_option("--threads", options.threads);
  app.add_option("--warm-up", options.warm_up);
  app.add_option("--steps", options.steps)->check(CLI::PositiveNumber);
  app.add_option("--exchange", options.exchange)->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_flag("--overlap", options.overlap);
  app.add_flag("--factors,!--no-factors", options.factors);
  DeviceChoice device = DeviceChoice::kCpu;
  app.add_option("--device", device)
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, DeviceChoice>{{"cpu", DeviceChoice::kCpu}, {"cuda", DeviceChoice::kCuda}}));
  CLI11_PARSE(app, argc, argv);
  options.device = choose_device(device, ranks.local_rank(), gpu_count());
  make_reproducible(options.device);
  at::set_num_threads(options.threads);
  keep_freed_memory();
  const Times times = measure(options, ranks);
  if (ranks.is_root()) {
    const double step = median(times.step);
    const nlohmann::json line = {{"ranks", ranks.size()},
                                 {"threads", options.threads},
                                 {"device", to_string(options.device)},
                                 {"precision", options.precision},
                                 {"images_per_second", static_cast<double>(options.batch) / step * 1000.0},
                                 {"step_ms", step},
                                 {"forward_backward_ms", median(times.compute)},
                                 {"exchange_ms", median(times.exchange)},
                                 {"update_ms", median(times.update)}};
    std::printf("%s\n", line.dump().c_str());
  }
  ranks.finalize();
  return 0;
}

}  // namespace
}  // namespace pulmo::training

int main(int argc, char** argv) {
  return pulmo::training::run(argc, argv);
}
