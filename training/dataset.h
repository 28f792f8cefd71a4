#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/store/manifest.h"
#include "core/store/shard.h"

namespace pulmo::training {

/// Tells samples apart among data sets that share their shards.
using SampleId = std::pair<const ShardReader*, std::int64_t>;

/// Samples of a prepared folder as one sequence. Reading is thread-safe.
class Dataset {
 public:
  /// One split in the order of its shards. Opens and checks every shard, see open_split(). Throws InvalidInput("shard")
  /// also for a label without a class name.
  Dataset(const std::filesystem::path& directory, const Manifest& manifest, Split split);

  /// All samples of these patients in `sets` (at least one; of one folder), in the order of the sets and of their
  /// samples. The open shards are shared.
  static Dataset of_patients(Split as, const std::vector<const Dataset*>& sets, const std::set<std::string>& patients);

  /// The slices of each group of a patient (a nodule, a series) as one volume (C,D,H,W), in the order of the groups'
  /// first slices. Slices are ordered by position, then by instance (natural_less()); of more than `depth` the middle
  /// ones are taken, fewer stand in the middle between slices of 0. A stack is called by its first slice. The open
  /// shards are shared. Throws InvalidInput("training_data") when slices of one group differ in their label, or these
  /// are volumes.
  Dataset stacked(std::int64_t depth) const;

  Split split() const { return split_; }
  std::int64_t size() const { return static_cast<std::int64_t>(labels_.size()); }
  /// (C,H,W), or (C,D,H,W) of volumes and stacks.
  const SampleShape& shape() const { return shape_; }

  int label(std::int64_t index) const { return labels_[static_cast<std::size_t>(index)]; }
  const std::string& patient(std::int64_t index) const;
  const std::string& group(std::int64_t index) const;
  const std::string& instance(std::int64_t index) const;
  SampleId id(std::int64_t index) const { return id_of(at(index)); }
  /// The stored samples that a sample is made of: the slices of a stack in their order, otherwise id() alone.
  std::vector<SampleId> ids(std::int64_t index) const;
  /// Samples of each class, K.
  std::vector<std::int64_t> class_counts(std::size_t classes) const;

  /// "train-00000.h5 sample 12": where a sample lies, without naming a patient.
  std::string place(std::int64_t index) const;

  /// Reads an image into `out`, shape().elements() values. Throws InvalidInput("shard") for a damaged chunk.
  void read_image(std::int64_t index, std::span<std::uint16_t> out) const;

 private:
  struct Address {
    std::size_t shard;
    std::int64_t row;
  };
  /// The slices of one stack and the place of the first in the volume.
  struct Stack {
    std::vector<Address> slices;
    std::int64_t first;
  };
  Dataset(Split split, const SampleShape& shape) : split_(split), shape_(shape) {}
  const Address& at(std::int64_t index) const { return addresses_[static_cast<std::size_t>(index)]; }
  SampleId id_of(const Address& address) const { return {shards_[address.shard].get(), address.row}; }
  std::vector<std::int64_t> in_order(std::vector<std::int64_t> slices) const;
  void read_stack(const Stack& stack, std::span<std::uint16_t> out) const;

  Split split_;
  SampleShape shape_;
  std::vector<std::shared_ptr<const ShardReader>> shards_;
  std::vector<Address> addresses_;  ///< of each sample; of a stack's first slice
  std::vector<Stack> stacks_;       ///< of each sample where these are stacks, else empty
  std::vector<std::uint8_t> labels_;
};

/// The samples of each group of a patient, in the order of the groups' first samples.
std::vector<std::vector<std::int64_t>> groups_of(const Dataset& dataset);

/// Keeps images in memory after their first reading, up to a budget. Calls must not overlap.
class ImageCache {
 public:
  ImageCache(const Dataset& dataset, std::int64_t budget_bytes);

  /// The pixels, from memory or from disk; valid until the next call.
  std::span<const std::uint16_t> image(std::int64_t index);

 private:
  const Dataset& dataset_;
  std::int64_t left_bytes_;
  std::vector<std::vector<std::uint16_t>> kept_;
  std::vector<std::uint16_t> scratch_;
};

}  // namespace pulmo::training
