#include "training/prepared_data.h"

#include <algorithm>
#include <optional>

#include "core/support/digest.h"
#include "core/support/error.h"

namespace pulmo::training {
namespace {

[[noreturn]] void refuse(const PreparedData& data, const std::string& problem) {
  throw InvalidInput("training_data",
                     data.directory.string() + (data.fold.empty() ? "" : " (" + data.fold + ")") + ": " + problem);
}

void check_part(const PreparedData& data, const Dataset& part, int positive) {
  const std::string name(to_string(part.split()));
  if (part.size() == 0) refuse(data, "no " + name + " samples: prepare with more patients or another split.mode");
  const auto counts = part.class_counts(data.classes.names.size());
  const std::int64_t positives = counts[static_cast<std::size_t>(positive)];
  if (positives > 0 && positives < part.size()) return;
  if (positives == 0) {
    refuse(data, "none of the " + std::to_string(part.size()) + " " + name + " samples is of the class '" +
                     data.classes.names[static_cast<std::size_t>(positive)] +
                     "': nothing can be told apart; prepare with more patients or another split.mode");
  }
  const auto only = std::max_element(counts.begin(), counts.end()) - counts.begin();
  refuse(data, "all " + std::to_string(part.size()) + " " + name + " samples are of the class '" +
                   data.classes.names[static_cast<std::size_t>(only)] + "': nothing can be told apart");
}

}  // namespace

const Dataset& PreparedData::split(Split which) const {
  switch (which) {
    case Split::kTrain: return train;
    case Split::kValidation: return validation;
    case Split::kTest: return test;
  }
  return test;
}

std::string PreparedData::identity() const {
  return fold.empty() ? digest : sha256_hex(digest + " " + fold);
}

PreparedData open_prepared(const std::filesystem::path& directory, bool verify, const Communicator& communicator) {
  std::optional<PreparedData> data;
  communicator.together([&] {
    Manifest manifest = read_manifest(directory);
    const std::string digest = manifest.data_digest();
    const ClassList classes{manifest.class_names, manifest.positive_index()};
    if (verify && communicator.is_root()) {
      for (const Split split : kSplits) open_split(directory, manifest, split, true);
    }
    Dataset train(directory, manifest, Split::kTrain);
    Dataset validation(directory, manifest, Split::kValidation);
    Dataset test(directory, manifest, Split::kTest);
    data.emplace(PreparedData{directory, std::move(manifest), digest, classes, std::move(train), std::move(validation),
                              std::move(test)});
  });
  const std::string root_digest = communicator.broadcast(data->digest);
  communicator.together([&] {
    if (root_digest == data->digest) return;
    throw InvalidInput("shard", "rank " + std::to_string(communicator.rank()) + " sees other data in " +
                                    directory.string() + " than rank 0: use one folder on a shared disk");
  });
  return std::move(*data);
}

void check_trainable(const PreparedData& data, int ranks) {
  const SampleShape& shape = data.manifest.shape;
  if (shape.height != shape.width) {
    refuse(data, "images are " + std::to_string(shape.height) + "x" + std::to_string(shape.width) + ", not square");
  }
  check_part(data, data.train, data.classes.positive);
  check_part(data, data.validation, data.classes.positive);
  if (data.train.size() < ranks) {
    refuse(data, std::to_string(data.train.size()) + " training samples for " + std::to_string(ranks) +
                     " ranks: start fewer ranks");
  }
}

void check_slice_weights(SliceWeights weights, const PreparedData& data) {
  if (weights == SliceWeights::kEqual || data.manifest.task == "nodule") return;
  throw InvalidInput("configuration", "evaluation.slice_weights: " + std::string(to_string(weights)) +
                                          " is for nodules; a group of " + data.directory.string() + " (task " +
                                          data.manifest.task + ") is a series: use equal");
}

}  // namespace pulmo::training
