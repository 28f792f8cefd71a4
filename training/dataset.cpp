#include "training/dataset.h"

#include <utility>

#include "core/support/error.h"

namespace pulmo::training {

Dataset::Dataset(const std::filesystem::path& directory, const Manifest& manifest, Split split)
    : split_(split), shape_(manifest.shape) {
  if (shape_.depth != 0) {
    throw InvalidInput("shard", directory.string() + ": holds volumes; every row here takes slices (N,C,H,W)");
  }
  for (ShardReader& shard : open_split(directory, manifest, split)) {
    const std::size_t number = shards_.size();
    for (std::int64_t row = 0; row < shard.size(); ++row) addresses_.push_back({number, row});
    labels_.insert(labels_.end(), shard.labels().begin(), shard.labels().end());
    shards_.push_back(std::make_shared<const ShardReader>(std::move(shard)));
  }
  for (std::int64_t i = 0; i < size(); ++i) {
    if (static_cast<std::size_t>(label(i)) < manifest.class_names.size()) continue;
    throw InvalidInput("shard", place(i) + ": label " + std::to_string(label(i)) + " is outside [0, " +
                                    std::to_string(manifest.class_names.size() - 1) + "]: prepare the data again");
  }
}

Dataset Dataset::of_patients(Split as, const std::vector<const Dataset*>& sets, const std::set<std::string>& patients) {
  Dataset result(as, sets.front()->shape_);
  for (const Dataset* set : sets) {
    const std::size_t first = result.shards_.size();
    result.shards_.insert(result.shards_.end(), set->shards_.begin(), set->shards_.end());
    for (std::int64_t i = 0; i < set->size(); ++i) {
      if (patients.count(set->patient(i)) == 0) continue;
      result.addresses_.push_back({first + set->at(i).shard, set->at(i).row});
      result.labels_.push_back(static_cast<std::uint8_t>(set->label(i)));
    }
  }
  return result;
}

const std::string& Dataset::patient(std::int64_t index) const {
  return shards_[at(index).shard]->patients()[static_cast<std::size_t>(at(index).row)];
}

const std::string& Dataset::group(std::int64_t index) const {
  return shards_[at(index).shard]->groups()[static_cast<std::size_t>(at(index).row)];
}

const std::string& Dataset::instance(std::int64_t index) const {
  return shards_[at(index).shard]->instances()[static_cast<std::size_t>(at(index).row)];
}

std::vector<std::int64_t> Dataset::class_counts(std::size_t classes) const {
  std::vector<std::int64_t> counts(classes, 0);
  for (const std::uint8_t label : labels_) ++counts[label];
  return counts;
}

std::string Dataset::place(std::int64_t index) const {
  return shards_[at(index).shard]->path().filename().string() + " sample " + std::to_string(at(index).row);
}

void Dataset::read_image(std::int64_t index, std::span<std::uint16_t> out) const {
  shards_[at(index).shard]->read_image(at(index).row, out);
}

ImageCache::ImageCache(const Dataset& dataset, std::int64_t budget_bytes)
    : dataset_(dataset),
      left_bytes_(budget_bytes),
      kept_(static_cast<std::size_t>(dataset.size())),
      scratch_(static_cast<std::size_t>(dataset.shape().elements())) {}

std::span<const std::uint16_t> ImageCache::image(std::int64_t index) {
  std::vector<std::uint16_t>& kept = kept_[static_cast<std::size_t>(index)];
  if (!kept.empty()) return kept;
  dataset_.read_image(index, scratch_);
  const auto bytes = static_cast<std::int64_t>(scratch_.size() * sizeof(std::uint16_t));
  if (bytes <= left_bytes_) {
    left_bytes_ -= bytes;
    kept = scratch_;
  }
  return scratch_;
}

}  // namespace pulmo::training
