#pragma once

#include <filesystem>
#include <string>

#include "core/store/manifest.h"
#include "training/communicator.h"
#include "training/dataset.h"
#include "training/evaluation/prediction.h"

namespace pulmo::training {

/// A prepared folder, opened and checked.
struct PreparedData {
  std::filesystem::path directory;
  Manifest manifest;
  std::string digest;  ///< Manifest::data_digest()
  ClassList classes;
  Dataset train, validation, test;

  std::string fold = {};  ///< "fold 2 of 5, ..." where fold_of() dealt the patients; empty: the split as prepared

  const Dataset& split(Split which) const;
  /// Names data and split: what a trained model was made from.
  std::string identity() const;
};

/// Collective; all ranks open the same folder. With `verify` rank 0 also checks the SHA-256 of every shard. Throws as
/// read_manifest() and open_split(), and InvalidInput("shard") when ranks see different data.
PreparedData open_prepared(const std::filesystem::path& directory, bool verify, const Communicator& communicator);

/// Whether something can be learnt and chosen from it. Throws InvalidInput("training_data"): no training or validation
/// samples, images that are not square, a single class in either part, fewer training samples than ranks.
void check_trainable(const PreparedData& data, int ranks);

/// Throws InvalidInput("configuration") where slices are to be weighted like sections of a nodule, but the data's
/// groups are no nodules.
void check_slice_weights(SliceWeights weights, const PreparedData& data);

}  // namespace pulmo::training
