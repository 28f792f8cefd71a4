#include "pipeline/plan/nodule_plan.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

namespace pulmo::pipeline {
namespace {

/// A nodule that can be used: where it is, its label, and the slices that its consensus cuts.
struct Candidate {
  std::size_t series = 0;
  std::size_t nodule = 0;
  std::uint8_t label = 0;
  std::vector<std::size_t> slices;  ///< ascending
  std::size_t largest = 0;          ///< the one with most consensus pixels
};

/// Fills the slices of a candidate; false when none is cut.
bool find_slices(const ReadSeries& read, int min_px, Candidate& candidate) {
  const cv::Size image(static_cast<int>(read.series.columns), static_cast<int>(read.series.rows));
  int most = 0;
  for (const auto& [slice, area] : consensus_area(read.marks.nodules[candidate.nodule], image)) {
    if (area < min_px) continue;
    candidate.slices.push_back(slice);
    if (area > most) {
      most = area;
      candidate.largest = slice;
    }
  }
  return !candidate.slices.empty();
}

std::vector<Candidate> candidates_of(const std::vector<ReadSeries>& archive, const LabelOptions& labels,
                                     Ledger& ledger) {
  std::vector<Candidate> candidates;
  for (std::size_t s = 0; s < archive.size(); ++s) {
    for (std::size_t n = 0; n < archive[s].marks.nodules.size(); ++n) {
      const NoduleKind kind = kind_of(archive[s].marks.nodules[n], labels);
      Candidate candidate{s, n, static_cast<std::uint8_t>(kind == NoduleKind::kMalignant ? 1 : 0), {}, 0};
      if (kind == NoduleKind::kUndecided) {
        ledger.left_out(Scope::kNodules, "undecided_nodule");
      } else if (kind == NoduleKind::kFewReaders) {
        ledger.left_out(Scope::kNodules, "too_few_readers");
      } else if (!find_slices(archive[s], labels.min_nodule_px, candidate)) {
        ledger.left_out(Scope::kNodules, "no_consensus");
      } else {
        candidates.push_back(std::move(candidate));
      }
    }
  }
  return candidates;
}

std::map<std::string, std::string> strata_of(const std::vector<ReadSeries>& archive,
                                             const std::vector<Candidate>& candidates, bool by_scanner) {
  std::map<std::string, std::pair<int, std::string>> strongest;  // label and scanner
  for (const Candidate& candidate : candidates) {
    const CtSeries& series = archive[candidate.series].series;
    auto& entry = strongest.emplace(series.patient, std::pair(0, series.manufacturer)).first->second;
    entry.first = std::max(entry.first, static_cast<int>(candidate.label));
  }
  std::map<std::string, std::string> strata;
  for (const auto& [patient, entry] : strongest) {
    strata[patient] = entry.first > 0 ? "malignant" : "benign";
    if (by_scanner) strata[patient] += "/" + entry.second;
  }
  return strata;
}

/// The slices to make patches of: all, or those nearest to the largest.
std::vector<std::size_t> chosen_slices(const Candidate& candidate, const NoduleOptions& options, Ledger& ledger) {
  if (options.dimensions == 3) return {candidate.largest};
  std::vector<std::size_t> slices = candidate.slices;
  const auto wanted = static_cast<std::size_t>(options.max_slices);
  if (wanted == 0 || slices.size() <= wanted) return slices;
  const auto distance = [&](std::size_t slice) {
    return std::abs(static_cast<std::ptrdiff_t>(slice) - static_cast<std::ptrdiff_t>(candidate.largest));
  };
  std::stable_sort(slices.begin(), slices.end(),
                   [&](std::size_t a, std::size_t b) { return distance(a) < distance(b); });
  ledger.left_out(Scope::kPatches, "beyond_max_slices", static_cast<std::int64_t>(slices.size() - wanted));
  slices.resize(wanted);
  std::sort(slices.begin(), slices.end());
  return slices;
}

}  // namespace

NodulePlan plan_nodules(const std::vector<ReadSeries>& archive, const LidcConfig& config, Ledger& ledger) {
  const std::vector<Candidate> candidates = candidates_of(archive, config.labels, ledger);
  NodulePlan plan;
  plan.split = split_patients(strata_of(archive, candidates, config.split.by_scanner), config.split);
  for (const Candidate& candidate : candidates) {
    const auto part = plan.split.find(archive[candidate.series].series.patient);
    if (part == plan.split.end()) {
      ledger.left_out(Scope::kNodules, "not_in_split_file");
      continue;
    }
    ledger.total("nodules_used", 1);
    for (const std::size_t slice : chosen_slices(candidate, config.nodule, ledger)) {
      plan.jobs_of_split[static_cast<std::size_t>(part->second)].push_back(plan.jobs.size());
      plan.jobs.push_back({candidate.label, candidate.series, candidate.nodule, slice});
    }
  }
  return plan;
}

}  // namespace pulmo::pipeline
