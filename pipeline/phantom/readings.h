#pragma once

#include <array>
#include <opencv2/core/types.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/phantom/patient.h"

namespace pulmo::pipeline::phantom {

/// The nine ratings of a nodule in the order of LIDC's XML: subtlety, internal structure, calcification, sphericity,
/// margin, lobulation, spiculation, texture, malignancy.
inline constexpr std::array<const char*, 9> kRatingNames = {
    "subtlety",   "internalStructure", "calcification", "sphericity", "margin",
    "lobulation", "spiculation",       "texture",       "malignancy"};
using Ratings = std::array<int, 9>;

/// What a reader drew in one slice: the pixels just outside the nodule, a closed chain whose last point is its first;
/// or one point for a nodule below 3 mm. x is the column, y the row.
struct Contour {
  std::size_t slice = 0;
  std::vector<cv::Point> points;
};

struct NoduleMark {
  std::size_t lesion = 0;          ///< in Patient::lesions
  std::optional<Ratings> ratings;  ///< none below 3 mm
  std::vector<Contour> contours;   ///< from above
};

struct NonNoduleMark {
  std::size_t lesion = 0;
  std::size_t slice = 0;
  cv::Point locus;
};

/// One reader's session.
struct Reading {
  std::vector<NoduleMark> nodules;
  std::vector<NonNoduleMark> non_nodules;
};
inline constexpr std::size_t kReaders = 4;
using Readings = std::array<Reading, kReaders>;

/// Four readers who disagree on what they see, where its border is and how bad it looks. Pure, thread-safe.
Readings read_scan(const Patient& patient);

/// The pixels of a lesion in a slice as drawn, (S,S) CV_8UC1, 1 inside its surface and inside the lung.
cv::Mat lesion_mask(const Patient& patient, const Lesion& lesion, std::size_t slice);

}  // namespace pulmo::pipeline::phantom
