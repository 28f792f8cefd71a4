#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/prepared_folder.h"
#include "tests/support/temp_dir.h"
#include "training/fit.h"
#include "training/trainer.h"

namespace pulmo::training::testing {

/// A small prepared folder and what training needs around it: 16 px images, a few dozen samples.
class SmallRun {
 public:
  explicit SmallRun(const Communicator& communicator = Communicator::alone(),
                    const pulmo::testing::PreparedFolderOptions& options = {.size_px = 16, .patients = 12});

  const PreparedData& data() const { return *data_; }
  /// A fresh folder of the run.
  std::filesystem::path folder(const std::string& name) const;

  /// What a Trainer takes. `options` must outlive it.
  TrainerInput input(const FitOptions& options, Precision precision, const std::filesystem::path& folder,
                     const Communicator& communicator) const;

 private:
  pulmo::testing::TempDir root_;
  std::optional<PreparedData> data_;
};

/// fp32, two epochs of batches of 8, proposed CNN with dropout and augmentation.
FitOptions small_options();

/// The largest absolute difference of two sets of weights with the same names and shapes.
double largest_difference(const NamedTensors& first, const NamedTensors& second);

}  // namespace pulmo::training::testing
