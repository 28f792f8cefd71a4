#include "pipeline/plan/slice_plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace pulmo::pipeline {
namespace {

constexpr std::array<const char*, 3> kStrata = {"normal", "benign", "malignant"};  // by SliceKind

/// The slices of one part of the split, by what they may become.
struct Pool {
  std::vector<AxialSlice> normal, benign, malignant;

  void add(SliceKind kind, const AxialSlice& slice) {
    if (kind == SliceKind::kNormal) normal.push_back(slice);
    if (kind == SliceKind::kBenign) benign.push_back(slice);
    if (kind == SliceKind::kMalignant) malignant.push_back(slice);
  }
};

using Verdicts = std::vector<std::vector<SliceVerdict>>;

std::map<std::string, std::string> strata_of(const std::vector<ReadSeries>& archive, const Verdicts& verdicts,
                                             bool by_scanner) {
  std::map<std::string, int> strongest;
  std::map<std::string, std::string> scanner;
  for (std::size_t s = 0; s < archive.size(); ++s) {
    int& label = strongest[archive[s].series.patient];
    scanner.emplace(archive[s].series.patient, archive[s].series.manufacturer);
    for (const SliceVerdict& verdict : verdicts[s]) {
      if (verdict.kind != SliceKind::kLeftOut) label = std::max(label, static_cast<int>(verdict.kind));
    }
  }
  std::map<std::string, std::string> strata;
  for (const auto& [patient, label] : strongest) {
    strata[patient] = kStrata[static_cast<std::size_t>(label)];
    if (by_scanner) strata[patient] += "/" + scanner[patient];
  }
  return strata;
}

/// Sorts the slices into the pools of their parts and counts those that no rule wants.
std::array<Pool, 3> pools_of(const std::vector<ReadSeries>& archive, const Verdicts& verdicts,
                             const PatientSplit& split, Ledger& ledger) {
  std::array<Pool, 3> pools;
  std::map<std::string, std::size_t> numbers;
  for (std::size_t s = 0; s < archive.size(); ++s) {
    const CtSeries& series = archive[s].series;
    const auto part = split.find(series.patient);
    const std::size_t patient = numbers.emplace(series.patient, numbers.size()).first->second;
    for (std::size_t i = 0; i < series.slices.size(); ++i) {
      const SliceVerdict& verdict = verdicts[s][i];
      if (part == split.end()) {
        ledger.left_out(Scope::kSlices, "not_in_split_file");
      } else if (verdict.kind == SliceKind::kLeftOut) {
        ledger.left_out(Scope::kSlices, verdict.reason);
      } else {
        pools[static_cast<std::size_t>(part->second)].add(verdict.kind, {s, i, series.relative_height(i), patient});
      }
    }
  }
  return pools;
}

std::vector<SliceJob> jobs_of(const Pool& pool, Split part, const LidcConfig& config, Ledger& ledger) {
  const auto malignant = static_cast<std::uint8_t>(slice_classes(config.labels).size() - 1);
  std::vector<SliceJob> jobs;
  for (const AxialSlice& slice : pool.malignant) jobs.push_back({malignant, slice.series, slice.slice, {}});
  for (const AxialSlice& slice : pool.benign) jobs.push_back({1, slice.series, slice.slice, {}});
  const std::string name(to_string(part));
  std::vector<NormalPick> picks = match_normals(pool.malignant, pool.normal, config.labels, name);
  const auto wanted = std::llround(static_cast<double>(pool.malignant.size()) * config.labels.normals_per_malignant);
  if (static_cast<long long>(picks.size()) < wanted) {
    ledger.note("few_normals", name + ": " + std::to_string(picks.size()) + " normal slices where " +
                                   std::to_string(wanted) + " were asked for");
  }
  ledger.left_out(Scope::kSlices, "not_drawn", static_cast<std::int64_t>(pool.normal.size() - picks.size()));
  for (NormalPick& pick : picks) {
    jobs.push_back({0, pick.slice.series, pick.slice.slice, std::move(pick.alternates)});
  }
  std::sort(jobs.begin(), jobs.end(), [](const SliceJob& a, const SliceJob& b) {
    return std::tie(a.series, a.slice) < std::tie(b.series, b.slice);
  });
  return jobs;
}

}  // namespace

std::vector<std::string> slice_classes(const LabelOptions& labels) {
  if (labels.benign_class) return {"normal", "benign", "malignant"};
  return {"normal", "malignant"};
}

SlicePlan plan_slices(const std::vector<ReadSeries>& archive, const LidcConfig& config, Ledger& ledger) {
  Verdicts verdicts;
  for (const ReadSeries& read : archive) verdicts.push_back(judge_slices(read.series, read.marks, config.labels));
  SlicePlan plan;
  plan.class_names = slice_classes(config.labels);
  plan.split = split_patients(strata_of(archive, verdicts, config.split.by_scanner), config.split);
  const std::array<Pool, 3> pools = pools_of(archive, verdicts, plan.split, ledger);
  for (const Split part : kSplits) {
    const auto index = static_cast<std::size_t>(part);
    for (SliceJob& job : jobs_of(pools[index], part, config, ledger)) {
      plan.jobs_of_split[index].push_back(plan.jobs.size());
      plan.jobs.push_back(std::move(job));
    }
  }
  return plan;
}

}  // namespace pulmo::pipeline
