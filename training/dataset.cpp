#include "training/dataset.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/model/volume_layout.h"
#include "core/support/error.h"
#include "core/support/natural_order.h"

namespace pulmo::training {

std::vector<std::vector<std::int64_t>> groups_of(const Dataset& dataset) {
  std::map<std::pair<std::string, std::string>, std::size_t> places;
  std::vector<std::vector<std::int64_t>> groups;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const auto [found, is_new] = places.try_emplace({dataset.patient(i), dataset.group(i)}, groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].push_back(i);
  }
  return groups;
}

Dataset::Dataset(const std::filesystem::path& directory, const Manifest& manifest, Split split)
    : split_(split), shape_(manifest.shape) {
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

std::vector<std::int64_t> Dataset::in_order(std::vector<std::int64_t> slices) const {
  const auto position = [this](std::int64_t i) {
    return shards_[at(i).shard]->positions_mm()[static_cast<std::size_t>(at(i).row)];
  };
  std::stable_sort(slices.begin(), slices.end(), [&](std::int64_t a, std::int64_t b) {
    if (position(a) < position(b) || position(b) < position(a)) return position(a) < position(b);
    return natural_less(instance(a), instance(b));
  });
  return slices;
}

Dataset Dataset::stacked(std::int64_t depth) const {
  if (shape_.depth != 0) throw InvalidInput("training_data", "volumes are not stacked again");
  Dataset result(split_, {shape_.channels, depth, shape_.height, shape_.width});
  result.shards_ = shards_;
  const auto groups = groups_of(*this);
  for (const std::vector<std::int64_t>& group : groups) {
    for (const std::int64_t index : group) {
      if (label(index) == label(group.front())) continue;
      throw InvalidInput("training_data",
                         place(index) + ": its label is not that of " + place(group.front()) +
                             ", which is of the same group: stacks need one label a group, as the task "
                             "'nodule' gives");
    }
    const std::vector<std::int64_t> slices = in_order(group);
    const auto count = static_cast<std::int64_t>(slices.size());
    const std::int64_t skipped = std::max<std::int64_t>(0, (count - depth) / 2);
    Stack stack{{}, first_place(depth, std::min(count, depth))};
    for (std::int64_t i = skipped; i < std::min(count, skipped + depth); ++i) {
      stack.slices.push_back(at(slices[static_cast<std::size_t>(i)]));
    }
    result.addresses_.push_back(stack.slices.front());
    result.stacks_.push_back(std::move(stack));
    result.labels_.push_back(static_cast<std::uint8_t>(label(group.front())));
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

std::vector<SampleId> Dataset::ids(std::int64_t index) const {
  if (stacks_.empty()) return {id(index)};
  std::vector<SampleId> ids;
  for (const Address& slice : stacks_[static_cast<std::size_t>(index)].slices) ids.push_back(id_of(slice));
  return ids;
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
  if (!stacks_.empty()) return read_stack(stacks_[static_cast<std::size_t>(index)], out);
  shards_[at(index).shard]->read_image(at(index).row, out);
}

void Dataset::read_stack(const Stack& stack, std::span<std::uint16_t> out) const {
  const auto plane = static_cast<std::size_t>(shape_.height * shape_.width);
  std::vector<std::uint16_t> slice(static_cast<std::size_t>(shape_.channels) * plane);
  std::fill(out.begin(), out.end(), std::uint16_t{0});
  for (std::size_t i = 0; i < stack.slices.size(); ++i) {
    shards_[stack.slices[i].shard]->read_image(stack.slices[i].row, slice);
    for (std::int64_t c = 0; c < shape_.channels; ++c) {
      const auto to = static_cast<std::size_t>(c * shape_.depth + stack.first) + i;
      std::copy_n(slice.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(c) * plane), plane,
                  out.begin() + static_cast<std::ptrdiff_t>(to * plane));
    }
  }
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
