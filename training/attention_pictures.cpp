#include "training/attention_pictures.h"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "core/model/network.h"
#include "core/model/predictor.h"
#include "training/evaluation/picture.h"
#include "training/scoring.h"

namespace pulmo::training {
namespace {

constexpr std::int64_t kSlicePx = 72;

/// A round's bundle of the row, and its test part as the bundle takes it.
struct Weighing {
  std::shared_ptr<const Predictor> predictor;
  Dataset volumes;
  std::vector<std::int64_t> volume_of;  ///< of each test sample
};

Weighing open_weighing(const Round& round, const std::string& row) {
  auto predictor = load_predictor(round.folder / row / "bundle.pt");
  const Dataset& test = round.data.test;
  std::vector<std::int64_t> volume_of(static_cast<std::size_t>(test.size()));
  if (test.shape().depth != 0) {
    std::iota(volume_of.begin(), volume_of.end(), std::int64_t{0});
    return {std::move(predictor), test, std::move(volume_of)};
  }
  std::int64_t stack = 0;
  for (const std::vector<std::int64_t>& group : groups_of(test)) {
    for (const std::int64_t sample : group) volume_of[static_cast<std::size_t>(sample)] = stack;
    ++stack;
  }
  Dataset stacks = test.stacked(predictor->metadata().depth);
  return {std::move(predictor), std::move(stacks), std::move(volume_of)};
}

// A slice of 0 throughout is one that is not there: it has no weight, but in an empty volume.
std::vector<WeighedSlice> weighed_slices(const ImageBatch& volume, const std::vector<double>& weights) {
  const auto plane = static_cast<std::size_t>(volume.height * volume.width);
  std::vector<WeighedSlice> slices;
  for (std::size_t z = 0; z < weights.size(); ++z) {
    const auto pixels = std::span(volume.pixels).subspan(z * plane, plane);
    const bool shows = std::any_of(pixels.begin(), pixels.end(), [](std::uint16_t pixel) { return pixel > 0; });
    if (!shows && weights[z] == 0.0) continue;
    slices.push_back({weights[z], png_data_uri(pixels, volume.height, volume.width, kSlicePx)});
  }
  return slices;
}

}  // namespace

void draw_attention(ComparedRow& row, const std::vector<Round>& rounds) {
  const std::string& name = row.report.facts.row;
  if (!takes_volumes(name)) return;
  std::map<const Round*, Weighing> opened;
  for (AttentionCase& one : attention_cases(row.test, row.report.facts)) {
    const auto [round, index] = test_sample(rounds, one.index);
    auto found = opened.find(round);
    if (found == opened.end()) found = opened.emplace(round, open_weighing(*round, name)).first;
    const Weighing& weighing = found->second;
    const std::int64_t volume = weighing.volume_of[static_cast<std::size_t>(index)];
    const ImageBatch batch =
        read_batch(weighing.volumes, {volume, volume + 1}, weighing.predictor->metadata().channels);
    const std::vector<double> weights = weighing.predictor->slice_weights(batch);
    if (weights.empty()) return;  // takes volumes, but weighs no slices
    one.slices = weighed_slices(batch, weights);
    row.attention.push_back(std::move(one));
  }
}

}  // namespace pulmo::training
