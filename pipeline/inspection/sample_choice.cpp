#include "pipeline/inspection/sample_choice.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <tuple>

#include "core/support/seed.h"

namespace pulmo::pipeline {
namespace {

// All samples of a class in one split, in the order in which they would be taken.
std::vector<SampleAddress> ordered_samples(const PreparedData& data, std::uint8_t label, Split which, Random& random) {
  std::map<std::string, std::vector<SampleAddress>> by_patient;
  const auto& shards = data.split(which);
  for (std::size_t s = 0; s < shards.size(); ++s) {
    for (std::size_t i = 0; i < shards[s].labels().size(); ++i) {
      if (shards[s].labels()[i] != label) continue;
      by_patient[shards[s].patients()[i]].push_back({which, s, static_cast<std::int64_t>(i)});
    }
  }
  std::vector<std::vector<SampleAddress>> patients;
  std::size_t longest = 0;
  for (auto& [name, samples] : by_patient) {
    random.shuffle(samples);
    longest = std::max(longest, samples.size());
    patients.push_back(std::move(samples));
  }
  random.shuffle(patients);
  std::vector<SampleAddress> order;
  for (std::size_t round = 0; round < longest; ++round) {
    for (const auto& samples : patients) {
      if (round < samples.size()) order.push_back(samples[round]);
    }
  }
  return order;
}

}  // namespace

std::vector<SampleAddress> choose_samples(const PreparedData& data, std::uint8_t label, const ChoiceOptions& options) {
  std::array<std::vector<SampleAddress>, 3> orders;
  std::size_t longest = 0;
  for (const Split which : kSplits) {
    if (options.split && *options.split != which) continue;
    Random random(derive_seed(options.seed, "montage", 0, label, static_cast<std::uint64_t>(which)));
    auto& order = orders[static_cast<std::size_t>(which)];
    order = ordered_samples(data, label, which, random);
    longest = std::max(longest, order.size());
  }
  std::vector<SampleAddress> chosen;
  for (std::size_t turn = 0; turn < longest; ++turn) {
    for (const auto& order : orders) {
      if (turn < order.size() && chosen.size() < options.count) chosen.push_back(order[turn]);
    }
  }
  std::sort(chosen.begin(), chosen.end(), [](const SampleAddress& a, const SampleAddress& b) {
    return std::tie(a.split, a.shard, a.sample) < std::tie(b.split, b.shard, b.sample);
  });
  return chosen;
}

}  // namespace pulmo::pipeline
