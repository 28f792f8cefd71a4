#pragma once

#include <cstddef>
#include <map>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "pipeline/lidc/lidc_xml.h"
#include "pipeline/lidc/series.h"
#include "pipeline/run/ledger.h"

namespace pulmo::pipeline {

/// How the ratings of several readers become one.
enum class MalignancyRule {
  kMedian,      ///< of an even number the mean of the two middle ones: 3.5 counts as malignant
  kMedianHigh,  ///< the upper of the two middle ones
  kMean,
};
/// `ratings` must not be empty.
double consensus_malignancy(std::vector<int> ratings, MalignancyRule rule);

/// A contour on a slice of a series.
struct PlacedRoi {
  std::size_t slice = 0;  ///< index into CtSeries::slices
  bool inclusion = true;
  std::vector<cv::Point> outline;
};

/// One reader's outline of one nodule.
struct ReaderMark {
  std::size_t reader = 0;  ///< index of the reading session
  Ratings ratings;
  std::vector<PlacedRoi> rois;
  std::vector<cv::Point3d> points_mm;  ///< all contour points: column and row distance, imageZposition
};

/// The outlines that readers made of one nodule.
struct Nodule {
  std::vector<ReaderMark> marks;

  std::size_t readers() const;  ///< different ones
  std::vector<int> malignancies() const;
  /// Mean of the marks' mean contour points, mm (see ReaderMark::points_mm).
  cv::Point3d centre_mm() const;
};

/// The different readers of a nodule: values of ReaderMark::reader.
std::set<std::size_t> readers_of(const Nodule& nodule);

/// All that the readers left on one series.
struct SeriesMarks {
  std::vector<Nodule> nodules;            ///< of fully rated outlines, ascending by height
  std::vector<bool> marked;               ///< per slice: any mark of any reader lies on it, of whatever kind
  std::vector<std::size_t> stray_slices;  ///< slices that carry a mark outside of `nodules`
  std::vector<double> lost_z_mm;  ///< of marks that lie on no slice: their slice is missing, or no part of the series
};

/// Binary or counting mask of a part of a slice.
struct BoxMask {
  cv::Rect box;  ///< in pixels of the slice; empty when there is nothing
  cv::Mat mask;  ///< (box.height, box.width) CV_8UC1
};

/// How many of the nodule's readers outlined each pixel of a slice: inside of one of the reader's contours and neither
/// inside of nor on one of the reader's holes. Clipped to the image (H,W).
BoxMask reader_counts(const Nodule& nodule, std::size_t slice, cv::Size image);
/// 1 where at least half of the nodule's readers outlined the pixel.
BoxMask consensus_mask(const Nodule& nodule, std::size_t slice, cv::Size image);
/// Pixels of the consensus on each slice, slices without any left out.
std::map<std::size_t, int> consensus_area(const Nodule& nodule, cv::Size image);

/// How well the readers of a nodule agree, 0 to 1: the mean over them of Dice's coefficient 2|A and B| / (|A| + |B|),
/// in pixels of all slices together, of what a reader outlined (A) and what at least half of the other readers did (B).
/// A slice that a reader did not outline adds nothing to A. Clipped to the image (H,W). A reader for whom A and B are
/// empty takes no part; nullopt where none does, and for a nodule of a single reader.
std::optional<double> reader_dice(const Nodule& nodule, cv::Size image);

struct Clusters {
  std::vector<std::vector<std::size_t>> members;  ///< indices of the marks, each cluster and the list ascending
  double tolerance_mm = 0.0;                      ///< that made them
  bool ambiguous = false;                         ///< some cluster still has more than four members
};

/// Which marks are of one nodule, as pylidc decides it: neighbours are marks whose contours come within the tolerance
/// of each other, clusters are connected neighbours; while a cluster has more than four members the tolerance shrinks
/// by a tenth, down to 0.1 mm. Pure function.
Clusters cluster_marks(std::span<const ReaderMark> marks, double tolerance_mm);

/// Places a reading on its series and clusters it with the slice thickness as tolerance. ROIs find their slice by SOP
/// UID, else by the nearest z within half the slice spacing. Problems: unmatched_roi (a contour on no slice),
/// contour_outside_image (clipped), bad_rating (a malignancy off its scale: a mark, but no part of a consensus). Notes:
/// unrated_mark (an outline with a missing rating: a mark, but no part of a consensus), ambiguous_nodules. Totals:
/// readers' marks and nodules.
SeriesMarks place_reading(const LidcReading& reading, const CtSeries& series, Ledger& ledger);

}  // namespace pulmo::pipeline
