#include "pipeline/lidc/labels.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <tuple>

#include "core/support/seed.h"

namespace pulmo::pipeline {
namespace {

constexpr double kUndecided = 3.0;  // the middle of LIDC's malignancy scale
constexpr std::size_t kAlternates = 3;

/// Which kinds of nodule a slice cuts.
struct Cuts {
  bool benign = false, undecided = false, malignant = false, few_readers = false;
};

std::vector<Cuts> cuts_of(const CtSeries& series, const SeriesMarks& marks, const LabelOptions& options) {
  std::vector<Cuts> cuts(series.slices.size());
  const cv::Size image(static_cast<int>(series.columns), static_cast<int>(series.rows));
  for (const Nodule& nodule : marks.nodules) {
    const NoduleKind kind = kind_of(nodule, options);
    for (const auto& [slice, area] : consensus_area(nodule, image)) {
      if (area < options.min_nodule_px) continue;
      cuts[slice].benign |= kind == NoduleKind::kBenign;
      cuts[slice].undecided |= kind == NoduleKind::kUndecided;
      cuts[slice].malignant |= kind == NoduleKind::kMalignant;
      cuts[slice].few_readers |= kind == NoduleKind::kFewReaders;
    }
  }
  return cuts;
}

SliceVerdict judge_marked(const Cuts& cuts, const LabelOptions& options) {
  if (cuts.malignant) return {SliceKind::kMalignant, ""};
  if (cuts.undecided) return {SliceKind::kLeftOut, "undecided_nodule"};
  if (cuts.few_readers) return {SliceKind::kLeftOut, "too_few_readers"};
  if (cuts.benign && options.benign_class) return {SliceKind::kBenign, ""};
  return {SliceKind::kLeftOut, cuts.benign ? "benign_nodule" : "mark_without_consensus"};
}

/// Distance of each slice to the nearest marked one, mm.
std::vector<double> mark_distances(const CtSeries& series, const std::vector<bool>& marked) {
  std::vector<double> distances(marked.size(), std::numeric_limits<double>::infinity());
  double last = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < marked.size(); ++i) {
    if (marked[i]) last = series.slices[i].position_mm;
    distances[i] = series.slices[i].position_mm - last;
  }
  last = std::numeric_limits<double>::infinity();
  for (std::size_t i = marked.size(); i-- > 0;) {
    if (marked[i]) last = series.slices[i].position_mm;
    distances[i] = std::min(distances[i], last - series.slices[i].position_mm);
  }
  return distances;
}

/// A mark whose own slice is not in the series keeps its neighbours from being normal all the same. By z, which is all
/// that is known of it.
bool near_lost_mark(const SeriesSlice& slice, const SeriesMarks& marks, double margin_mm) {
  return std::any_of(marks.lost_z_mm.begin(), marks.lost_z_mm.end(),
                     [&](double z_mm) { return std::abs(slice.z_mm - z_mm) <= margin_mm; });
}

/// Candidates by bin, in the order in which they are drawn.
class Bins {
 public:
  Bins(std::span<const AxialSlice> candidates, const LabelOptions& options, const std::string& purpose)
      : lists_(static_cast<std::size_t>(options.axial_bins)), used_(lists_.size(), 0) {
    for (const AxialSlice& slice : candidates) lists_[bin_of(slice.height)].push_back(slice);
    for (std::size_t bin = 0; bin < lists_.size(); ++bin) {
      Random random(derive_seed(options.seed, "normals/" + purpose, 0, 0, bin));
      random.shuffle(lists_[bin]);
      spread_over_patients(lists_[bin]);
    }
  }

  std::size_t bin_of(double height) const {
    const auto bin = static_cast<std::size_t>(std::max(0.0, height) * static_cast<double>(lists_.size()));
    return std::min(bin, lists_.size() - 1);
  }

  /// The next candidate of this bin, or of the nearest that still has one.
  const AxialSlice* draw(std::size_t bin) {
    const auto count = static_cast<std::ptrdiff_t>(lists_.size());
    for (std::ptrdiff_t away = 0; away < count; ++away) {
      for (const std::ptrdiff_t side : {-away, away}) {
        const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(bin) + side;
        if (at < 0 || at >= count) continue;
        if (const AxialSlice* slice = draw_here(static_cast<std::size_t>(at))) return slice;
      }
    }
    return nullptr;
  }

  const AxialSlice* draw_here(std::size_t bin) {
    return used_[bin] < lists_[bin].size() ? &lists_[bin][used_[bin]++] : nullptr;
  }

 private:
  static void spread_over_patients(std::vector<AxialSlice>& slices) {
    std::map<std::size_t, std::size_t> met;
    std::vector<std::pair<std::size_t, AxialSlice>> turns;
    for (const AxialSlice& slice : slices) turns.emplace_back(met[slice.patient]++, slice);
    std::stable_sort(turns.begin(), turns.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < slices.size(); ++i) slices[i] = turns[i].second;
  }

  std::vector<std::vector<AxialSlice>> lists_;
  std::vector<std::size_t> used_;
};

/// How many normals each bin should give. Rounded along the running sum, so that the total is right for any factor.
std::vector<std::size_t> wanted_by_bin(std::span<const AxialSlice> malignant, const Bins& bins,
                                       const LabelOptions& options) {
  std::vector<std::size_t> counts(static_cast<std::size_t>(options.axial_bins), 0);
  for (const AxialSlice& slice : malignant) ++counts[bins.bin_of(slice.height)];
  std::size_t sum = 0;
  std::size_t given = 0;
  for (std::size_t& count : counts) {
    sum += count;
    const auto target =
        static_cast<std::size_t>(std::llround(static_cast<double>(sum) * options.normals_per_malignant));
    count = target - given;
    given = target;
  }
  return counts;
}

}  // namespace

NoduleKind kind_of(const Nodule& nodule, const LabelOptions& options) {
  if (nodule.readers() < static_cast<std::size_t>(options.min_readers)) return NoduleKind::kFewReaders;
  const double malignancy = consensus_malignancy(nodule.malignancies(), options.rule);
  if (malignancy == kUndecided) return NoduleKind::kUndecided;
  return malignancy > kUndecided ? NoduleKind::kMalignant : NoduleKind::kBenign;
}

std::vector<SliceVerdict> judge_slices(const CtSeries& series, const SeriesMarks& marks, const LabelOptions& options) {
  const std::vector<Cuts> cuts = cuts_of(series, marks, options);
  const std::vector<double> distances = mark_distances(series, marks.marked);
  std::vector<SliceVerdict> verdicts;
  for (std::size_t i = 0; i < series.slices.size(); ++i) {
    if (marks.marked[i]) {
      verdicts.push_back(judge_marked(cuts[i], options));
    } else if (distances[i] <= options.margin_mm || near_lost_mark(series.slices[i], marks, options.margin_mm)) {
      verdicts.push_back({SliceKind::kLeftOut, "near_mark"});
    } else {
      verdicts.push_back({SliceKind::kNormal, ""});
    }
  }
  return verdicts;
}

std::vector<NormalPick> match_normals(std::span<const AxialSlice> malignant, std::span<const AxialSlice> candidates,
                                      const LabelOptions& options, const std::string& purpose) {
  Bins bins(candidates, options, purpose);
  std::vector<std::size_t> wanted = wanted_by_bin(malignant, bins, options);
  std::vector<std::pair<std::size_t, NormalPick>> picks;  // with the bin that asked
  for (const bool nearby : {false, true}) {  // every bin its own first, then what is missing from its neighbours
    for (std::size_t bin = 0; bin < wanted.size(); ++bin) {
      for (; wanted[bin] > 0; --wanted[bin]) {
        const AxialSlice* slice = nearby ? bins.draw(bin) : bins.draw_here(bin);
        if (slice == nullptr) break;
        picks.push_back({bin, {*slice, {}}});
      }
    }
  }
  for (std::size_t turn = 0; turn < kAlternates; ++turn) {
    for (auto& [bin, pick] : picks) {
      if (const AxialSlice* slice = bins.draw(bin)) pick.alternates.push_back(*slice);
    }
  }
  std::vector<NormalPick> result;
  for (auto& [bin, pick] : picks) result.push_back(std::move(pick));
  std::sort(result.begin(), result.end(), [](const NormalPick& a, const NormalPick& b) {
    return std::tie(a.slice.series, a.slice.slice) < std::tie(b.slice.series, b.slice.slice);
  });
  return result;
}

}  // namespace pulmo::pipeline
