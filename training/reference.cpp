#include "training/reference.h"

#include <cstring>

#include "training/sampler.h"

namespace pulmo::training {
namespace {

constexpr std::size_t kBins = 10;

std::vector<InputStatistics> measure_range(const Dataset& dataset, LungMasking mask, const Range& mine) {
  std::vector<InputStatistics> result;
  std::vector<std::uint16_t> pixels(static_cast<std::size_t>(dataset.shape().elements()));
  for (std::int64_t i = mine.begin; i < mine.end; ++i) {
    dataset.read_image(i, pixels);
    result.push_back(input_statistics(pixels, mask));
  }
  return result;
}

}  // namespace

std::vector<InputStatistics> measure_inputs(const Dataset& dataset, LungMasking mask,
                                            const Communicator& communicator) {
  const Range mine = part_of(dataset.size(), communicator.size(), communicator.rank());
  std::vector<InputStatistics> share;
  communicator.together([&] { share = measure_range(dataset, mask, mine); });
  std::vector<InputStatistics> all;
  for (const auto& bytes : communicator.gather(std::as_bytes(std::span(share)))) {
    std::vector<InputStatistics> part(bytes.size() / sizeof(InputStatistics));
    if (!bytes.empty()) std::memcpy(part.data(), bytes.data(), bytes.size());
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

ReferenceStatistics make_reference(const std::vector<InputStatistics>& inputs,
                                   const std::vector<Prediction>& calibrated, int positive) {
  std::vector<double> fractions;
  std::vector<double> intensities;
  std::vector<double> probabilities;
  for (const InputStatistics& input : inputs) {
    fractions.push_back(input.lung_fraction);
    intensities.push_back(input.mean_intensity);
  }
  for (const Prediction& one : calibrated) {
    probabilities.push_back(one.probabilities[static_cast<std::size_t>(positive)]);
  }
  return {bin_by_quantiles(std::move(fractions), kBins), bin_by_quantiles(std::move(intensities), kBins),
          bin_by_quantiles(std::move(probabilities), kBins)};
}

}  // namespace pulmo::training
