#include "pipeline/lidc/lidc_nodules.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <opencv2/imgproc.hpp>
#include <utility>

namespace pulmo::pipeline {
namespace {

constexpr double kDefaultToleranceMm = 2.5;  // where a series states no slice thickness

/// Finds slices by SOP UID, else by z.
class SliceFinder {
 public:
  explicit SliceFinder(const CtSeries& series) : series_(series) {
    for (std::size_t i = 0; i < series.slices.size(); ++i) by_uid_.emplace(series.slices[i].sop_uid, i);
  }

  std::optional<std::size_t> find(const std::string& sop_uid, double z_mm) const {
    if (const auto at = by_uid_.find(sop_uid); at != by_uid_.end()) return at->second;
    std::size_t nearest = 0;
    for (std::size_t i = 1; i < series_.slices.size(); ++i) {
      if (distance(i, z_mm) < distance(nearest, z_mm)) nearest = i;
    }
    const double reach = 0.5 * series_.slice_spacing_mm + 1e-3;
    if (series_.slices.empty() || distance(nearest, z_mm) > reach) return std::nullopt;
    return nearest;
  }

 private:
  double distance(std::size_t slice, double z_mm) const { return std::abs(series_.slices[slice].z_mm - z_mm); }

  const CtSeries& series_;
  std::map<std::string, std::size_t> by_uid_;
};

/// Places one reading; collects marks on the way.
class Placer {
 public:
  Placer(const CtSeries& series, Ledger& ledger)
      : series_(series), finder_(series), ledger_(ledger), strays_(series.slices.size(), false) {}

  void place(const LidcSession& session, std::size_t reader) {
    file_ = session.file;
    for (const LidcNoduleMark& mark : session.nodules) {
      if (mark.rated()) {
        place_outline(mark, reader);
        continue;
      }
      if (mark.outlined()) tell_unrated(mark);
      for (const LidcRoi& roi : mark.rois) stray(roi.sop_uid, roi.z_mm);
    }
    for (const LidcNonNodule& mark : session.non_nodules) stray(mark.sop_uid, mark.z_mm);
  }

  const std::vector<ReaderMark>& marks() const { return marks_; }
  const std::vector<bool>& strays() const { return strays_; }
  const std::vector<double>& lost_z_mm() const { return lost_z_mm_; }

 private:
  void tell_unrated(const LidcNoduleMark& mark) {
    if (mark.ratings && mark.ratings->off_scale()) {
      ledger_.problem("bad_rating", file_ + ": a malignancy of " + std::to_string(mark.ratings->malignancy()) +
                                        ", where the scale is 1 to 5; the outline counts as a mark only");
    } else {
      ledger_.note("unrated_mark", file_ + ": a reader's outline lacks ratings; it counts as a mark only");
    }
  }

  void place_outline(const LidcNoduleMark& mark, std::size_t reader) {
    ReaderMark placed;
    placed.reader = reader;
    placed.ratings = *mark.ratings;
    for (const LidcRoi& roi : mark.rois) {
      const auto slice = locate(roi.sop_uid, roi.z_mm);
      if (!slice) continue;
      if (roi.outline.size() < 2) {  // a point at the end of a nodule encloses nothing, yet it is a mark
        strays_[*slice] = true;
        continue;
      }
      check_inside(roi.outline);
      for (const cv::Point& p : roi.outline) {
        placed.points_mm.emplace_back(p.x * series_.column_spacing_mm, p.y * series_.row_spacing_mm, roi.z_mm);
      }
      placed.rois.push_back({*slice, roi.inclusion, roi.outline});
    }
    if (!placed.rois.empty()) marks_.push_back(std::move(placed));
  }

  void stray(const std::string& sop_uid, double z_mm) {
    if (const auto slice = locate(sop_uid, z_mm)) strays_[*slice] = true;
  }

  std::optional<std::size_t> locate(const std::string& sop_uid, double z_mm) {
    const auto slice = finder_.find(sop_uid, z_mm);
    if (!slice) {
      lost_z_mm_.push_back(z_mm);
      ledger_.problem("unmatched_roi",
                      file_ + ": a mark at z = " + std::to_string(z_mm) + " mm lies on no slice of its series");
    }
    return slice;
  }

  void check_inside(const std::vector<cv::Point>& outline) {
    const cv::Rect image(0, 0, static_cast<int>(series_.columns), static_cast<int>(series_.rows));
    const cv::Rect box = cv::boundingRect(outline);
    if ((box & image) != box) {
      ledger_.problem("contour_outside_image", file_ + ": a contour leaves the image and is clipped");
    }
  }

  const CtSeries& series_;
  SliceFinder finder_;
  std::string file_;  ///< of the session that is placed
  Ledger& ledger_;
  std::vector<ReaderMark> marks_;
  std::vector<bool> strays_;
  std::vector<double> lost_z_mm_;
};

}  // namespace

double consensus_malignancy(std::vector<int> ratings, MalignancyRule rule) {
  if (rule == MalignancyRule::kMean) {
    return std::accumulate(ratings.begin(), ratings.end(), 0.0) / static_cast<double>(ratings.size());
  }
  std::sort(ratings.begin(), ratings.end());
  const std::size_t half = ratings.size() / 2;
  if (rule == MalignancyRule::kMedianHigh || ratings.size() % 2 == 1) return ratings[half];
  return 0.5 * (ratings[half - 1] + ratings[half]);
}

std::set<std::size_t> readers_of(const Nodule& nodule) {
  std::set<std::size_t> readers;
  for (const ReaderMark& mark : nodule.marks) readers.insert(mark.reader);
  return readers;
}

std::size_t Nodule::readers() const {
  return readers_of(*this).size();
}

std::vector<int> Nodule::malignancies() const {
  std::vector<int> ratings;
  for (const ReaderMark& mark : marks) ratings.push_back(mark.ratings.malignancy());
  return ratings;
}

cv::Point3d Nodule::centre_mm() const {
  cv::Point3d sum;
  for (const ReaderMark& mark : marks) {
    const cv::Point3d total = std::accumulate(mark.points_mm.begin(), mark.points_mm.end(), cv::Point3d());
    sum += total * (1.0 / static_cast<double>(mark.points_mm.size()));
  }
  return sum * (1.0 / static_cast<double>(marks.size()));
}

SeriesMarks place_reading(const LidcReading& reading, const CtSeries& series, Ledger& ledger) {
  Placer placer(series, ledger);
  for (std::size_t reader = 0; reader < reading.sessions.size(); ++reader) {
    placer.place(reading.sessions[reader], reader);
  }
  const double tolerance = series.slice_thickness_mm > 0.0 ? series.slice_thickness_mm : kDefaultToleranceMm;
  const Clusters clusters = cluster_marks(placer.marks(), tolerance);
  if (clusters.ambiguous) {
    ledger.note("ambiguous_nodules", reading.sessions.front().file +
                                         ": outlines of neighbouring nodules touch and were taken as one nodule");
  }
  SeriesMarks result;
  result.marked = placer.strays();
  result.lost_z_mm = placer.lost_z_mm();
  for (std::size_t slice = 0; slice < result.marked.size(); ++slice) {
    if (result.marked[slice]) result.stray_slices.push_back(slice);
  }
  for (const auto& members : clusters.members) {
    Nodule nodule;
    for (const std::size_t i : members) nodule.marks.push_back(placer.marks()[i]);
    for (const ReaderMark& mark : nodule.marks) {
      for (const PlacedRoi& roi : mark.rois) result.marked[roi.slice] = true;
    }
    result.nodules.push_back(std::move(nodule));
  }
  std::stable_sort(result.nodules.begin(), result.nodules.end(),
                   [](const Nodule& a, const Nodule& b) { return a.centre_mm().z < b.centre_mm().z; });
  ledger.total("reader_outlines", static_cast<std::int64_t>(placer.marks().size()));
  ledger.total("nodules", static_cast<std::int64_t>(result.nodules.size()));
  return result;
}

}  // namespace pulmo::pipeline
