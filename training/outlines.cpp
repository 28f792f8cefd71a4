#include "training/outlines.h"

#include <algorithm>

#include "core/support/error.h"

namespace pulmo::training {
namespace {

constexpr std::uint32_t kWhole = 65535;

std::vector<std::uint8_t> votes_of(const Dataset& dataset, std::int64_t index) {
  const auto [shard, row] = dataset.id(index);
  return shard->read_nodules(row);
}

void refuse_without(const Dataset& dataset, std::int64_t index, const std::vector<std::uint8_t>& votes) {
  if (!votes.empty()) return;
  throw InvalidInput("training_data", dataset.place(index) +
                                          ": no outlines of readers are stored with the slices: prepare the data "
                                          "again with store.masks: true from a source that has them");
}

void refuse_volumes(const Dataset& dataset) {
  if (dataset.shape().depth == 0) return;
  throw InvalidInput("training_data", "outlines are learnt and measured on slices, the data holds volumes");
}

}  // namespace

void require_outlines(const Dataset& dataset) {
  refuse_volumes(dataset);
  if (dataset.size() > 0) refuse_without(dataset, 0, votes_of(dataset, 0));
}

ReaderOutlines::ReaderOutlines(const Dataset& dataset)
    : dataset_(dataset), readers_(static_cast<std::size_t>(dataset.size())) {
  refuse_volumes(dataset);
  for (const std::vector<std::int64_t>& group : groups_of(dataset)) {
    std::uint8_t most = 0;
    for (const std::int64_t index : group) {
      const std::vector<std::uint8_t> votes = votes_of(dataset, index);
      refuse_without(dataset, index, votes);
      most = std::max(most, *std::max_element(votes.begin(), votes.end()));
    }
    for (const std::int64_t index : group) readers_[static_cast<std::size_t>(index)] = most;
  }
}

void ReaderOutlines::read(std::int64_t index, std::span<std::uint16_t> out) const {
  const std::uint32_t readers = std::max<std::uint32_t>(1, readers_[static_cast<std::size_t>(index)]);
  const std::vector<std::uint8_t> votes = votes_of(dataset_, index);
  std::transform(votes.begin(), votes.end(), out.begin(), [readers](std::uint8_t count) {
    return static_cast<std::uint16_t>((kWhole * count + readers / 2) / readers);
  });
}

}  // namespace pulmo::training
