#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pipeline/lidc/lidc_nodules.h"

namespace pulmo::pipeline {

/// How readers' marks become labels.
struct LabelOptions {
  MalignancyRule rule = MalignancyRule::kMedian;
  int min_readers = 1;                 ///< nodules outlined by fewer are left out
  bool benign_class = false;           ///< slices of benign nodules are a class of their own
  double margin_mm = 5.0;              ///< along the scan, between a normal slice and any mark
  int min_nodule_px = 1;               ///< consensus pixels from which a slice cuts a nodule
  double normals_per_malignant = 1.0;  ///< normal slices drawn for each malignant one
  int axial_bins = 20;                 ///< relative heights are matched in this many bins
  std::uint64_t seed = 1;

  bool operator==(const LabelOptions&) const = default;
};

/// What a nodule is by its consensus.
enum class NoduleKind {
  kBenign,      ///< consensus malignancy below 3
  kUndecided,   ///< 3 exactly
  kMalignant,   ///< above 3
  kFewReaders,  ///< outlined by fewer readers than asked for
};
NoduleKind kind_of(const Nodule& nodule, const LabelOptions& options);

enum class SliceKind { kNormal, kBenign, kMalignant, kLeftOut };

struct SliceVerdict {
  SliceKind kind = SliceKind::kLeftOut;
  std::string reason;  ///< why it is left out
};

/// Judges every slice of a read series. Malignant: cuts the consensus of a malignant nodule. Benign (where that is a
/// class): cuts that of benign nodules only. Normal: may be drawn, no mark of any reader within the margin. Left out:
/// benign_nodule, undecided_nodule, too_few_readers, mark_without_consensus (small nodule, non-nodule, readers
/// disagree), near_mark. Pure function.
std::vector<SliceVerdict> judge_slices(const CtSeries& series, const SeriesMarks& marks, const LabelOptions& options);

/// A slice by its height in the chest.
struct AxialSlice {
  std::size_t series = 0;
  std::size_t slice = 0;
  double height = 0.0;      ///< CtSeries::relative_height
  std::size_t patient = 0;  ///< number of the patient: draws are spread over patients
};

struct NormalPick {
  AxialSlice slice;
  std::vector<AxialSlice> alternates;  ///< to be tried in this order when the slice shows no lung
};

/// Draws normals whose relative heights are distributed as those of the malignant slices: the same number (times
/// normals_per_malignant) from each of axial_bins bins, from the nearest bins where one has too few. Seeded; each
/// patient gives one slice of a bin before any gives a second. No slice is drawn twice, alternates included. The picks
/// come in the order of (series, slice). Pure function.
std::vector<NormalPick> match_normals(std::span<const AxialSlice> malignant, std::span<const AxialSlice> candidates,
                                      const LabelOptions& options, const std::string& purpose);

}  // namespace pulmo::pipeline
