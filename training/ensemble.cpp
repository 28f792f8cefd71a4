#include "training/ensemble.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/model/bundle.h"
#include "core/model/ensemble.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "training/evaluation/metrics.h"
#include "training/evaluation/predictions_file.h"

namespace pulmo::training {
namespace {

double group_area(const std::vector<Prediction>& samples, const ClassList& classes, SliceWeights weights) {
  return ScoredSet(aggregate(samples, Level::kGroup, classes.positive, weights), classes, {0.5}).roc_auc();
}

/// Adds the probabilities of the second to those of the first; a mean's factor does not change its area.
void add(std::vector<Prediction>& sum, const std::vector<Prediction>& one) {
  if (sum.size() != one.size()) throw InvalidInput("comparison", "two rows were not scored on the same samples");
  for (std::size_t i = 0; i < sum.size(); ++i) {
    for (std::size_t k = 0; k < sum[i].probabilities.size(); ++k) sum[i].probabilities[k] += one[i].probabilities[k];
  }
}

Candidate read_candidate(const std::string& row, const std::filesystem::path& folder, const ClassList& classes) {
  for (SplitPredictions& part : read_predictions(folder / row / "predictions.csv", classes)) {
    if (part.split == "validation") return {row, std::move(part.samples)};
  }
  throw InvalidInput("comparison", "the row " + row + " has no predictions of the validation part: use --fresh");
}

double seconds_of(const std::string& row, const std::filesystem::path& folder) {
  return nlohmann::json::parse(read_text_file(folder / row / "metrics.json")).at("seconds");
}

}  // namespace

std::vector<std::string> choose_members(const std::vector<Candidate>& candidates, const ClassList& classes,
                                        SliceWeights weights) {
  if (candidates.size() < 2) throw InvalidInput("comparison", "an ensemble needs two network rows at least");
  std::vector<double> areas;
  for (const Candidate& one : candidates) areas.push_back(group_area(one.validation, classes, weights));
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return areas[a] > areas[b]; });
  std::vector<Prediction> sum = candidates[order.front()].validation;
  std::size_t best = 0;
  double best_area = -1.0;
  for (std::size_t count = 2; count <= order.size(); ++count) {
    add(sum, candidates[order[count - 1]].validation);
    const double area = group_area(sum, classes, weights);
    if (area <= best_area) continue;
    best_area = area;
    best = count;
  }
  std::vector<std::string> members;
  for (std::size_t i = best; i > 0; --i) members.push_back(candidates[order[i - 1]].row);
  return members;
}

TrainedModel make_ensemble(const std::vector<std::string>& rows, const std::filesystem::path& folder,
                           const PreparedData& data, SliceWeights weights, const Communicator& communicator) {
  TrainedModel model;
  model.row = "ensemble";
  communicator.together([&] {
    if (!communicator.is_root()) return;
    std::vector<Candidate> candidates;
    for (const std::string& row : rows) candidates.push_back(read_candidate(row, folder, data.classes));
    std::vector<EnsembleMember> members;
    std::string names;
    for (const std::string& row : choose_members(candidates, data.classes, weights)) {
      const Bundle bundle = load_bundle(folder / row / "bundle.pt");
      members.push_back({bundle.module, bundle.metadata.temperature, bundle.metadata.depth});
      model.seconds += seconds_of(row, folder);
      names.append(names.empty() ? "" : ", ").append(row);
    }
    log_info("ensemble chosen on validation", {{"members", names}});
    model.depth = ensemble_depth(members);
    model.module = ensemble_to_torchscript(members);
  });
  return model;
}

}  // namespace pulmo::training
