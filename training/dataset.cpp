#include "training/dataset.h"

#include <algorithm>

#include "core/support/error.h"

namespace pulmo::training {

Dataset::Dataset(const std::filesystem::path& directory, const Manifest& manifest, Split split)
    : split_(split), shape_(manifest.shape), shards_(open_split(directory, manifest, split)) {
  if (shape_.depth != 0) {
    throw InvalidInput("shard", directory.string() + ": holds volumes; every row here takes slices (N,C,H,W)");
  }
  for (const ShardReader& shard : shards_) {
    first_.push_back(size());
    labels_.insert(labels_.end(), shard.labels().begin(), shard.labels().end());
  }
  for (std::int64_t i = 0; i < size(); ++i) {
    if (static_cast<std::size_t>(label(i)) < manifest.class_names.size()) continue;
    throw InvalidInput("shard", place(i) + ": label " + std::to_string(label(i)) + " is outside [0, " +
                                    std::to_string(manifest.class_names.size() - 1) + "]: prepare the data again");
  }
}

Dataset::Address Dataset::find(std::int64_t index) const {
  const auto after = std::upper_bound(first_.begin(), first_.end(), index);
  const auto shard = static_cast<std::size_t>(after - first_.begin()) - 1;
  return {shard, index - first_[shard]};
}

const std::string& Dataset::patient(std::int64_t index) const {
  const Address at = find(index);
  return shards_[at.shard].patients()[static_cast<std::size_t>(at.row)];
}

const std::string& Dataset::group(std::int64_t index) const {
  const Address at = find(index);
  return shards_[at.shard].groups()[static_cast<std::size_t>(at.row)];
}

const std::string& Dataset::instance(std::int64_t index) const {
  const Address at = find(index);
  return shards_[at.shard].instances()[static_cast<std::size_t>(at.row)];
}

std::vector<std::int64_t> Dataset::class_counts(std::size_t classes) const {
  std::vector<std::int64_t> counts(classes, 0);
  for (const std::uint8_t label : labels_) ++counts[label];
  return counts;
}

std::string Dataset::place(std::int64_t index) const {
  const Address at = find(index);
  return shards_[at.shard].path().filename().string() + " sample " + std::to_string(at.row);
}

void Dataset::read_image(std::int64_t index, std::span<std::uint16_t> out) const {
  const Address at = find(index);
  shards_[at.shard].read_image(at.row, out);
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
