#include "tests/training/small_run.h"

#include <algorithm>
#include <stdexcept>

namespace pulmo::training::testing {

SmallRun::SmallRun(const Communicator& communicator, const pulmo::testing::PreparedFolderOptions& options) {
  // Each rank makes its own copy: the same options give the same bytes.
  pulmo::testing::make_prepared_folder(root_ / "data", options);
  data_.emplace(open_prepared(root_ / "data", false, communicator));
}

std::filesystem::path SmallRun::folder(const std::string& name) const {
  const auto path = root_ / name;
  std::filesystem::create_directories(path / "checkpoints");
  return path;
}

TrainerInput SmallRun::input(const FitOptions& options, Precision precision, const std::filesystem::path& folder,
                             const Communicator& communicator) const {
  NetworkOptions network;
  network.name = options.model.name;
  network.size_px = data_->manifest.shape.height;
  network.dropout = options.model.dropout;
  network.seed = options.training.seed;
  return {options,
          communicator,
          *data_,
          network,
          precision,
          run_identity(options, data_->digest),
          folder,
          ProgressStyle::kNone,
          [] { return false; },
          {}};
}

FitOptions small_options() {
  FitOptions options;
  options.training.epochs = 2;
  options.training.batch_size = 8;
  options.training.seed = 3;
  options.augmentation = {.flips = true, .quarter_turns = true, .shift_px = 1};
  options.evaluation.bootstrap = 20;
  return options;
}

double largest_difference(const NamedTensors& first, const NamedTensors& second) {
  if (first.size() != second.size()) throw std::runtime_error("the weights are of two networks");
  double largest = 0.0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].first != second[i].first) throw std::runtime_error("the weights are of two networks");
    const torch::Tensor difference = first[i].second.to(torch::kFloat64) - second[i].second.to(torch::kFloat64);
    largest = std::max(largest, difference.abs().max().item<double>());
  }
  return largest;
}

}  // namespace pulmo::training::testing
