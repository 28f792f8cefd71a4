#include "pipeline/phantom/readings.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <opencv2/imgproc.hpp>

#include "pipeline/phantom/lesion_view.h"
#include "pipeline/phantom/ratings.h"
#include "pipeline/phantom/thorax.h"

namespace pulmo::pipeline::phantom {
namespace {

constexpr double kFaintShare = 0.2;  ///< a cross-section below this share of the largest goes unnoticed

cv::Mat lung_mask(const Patient& patient, std::size_t slice) {
  const View view = view_of(patient.anatomy, patient.scan, slice);
  return paint_tissues(patient.anatomy, view) == static_cast<int>(Tissue::kLung);
}

/// The lungs of the slices that somebody asked for.
class LungMasks {
 public:
  explicit LungMasks(const Patient& patient) : patient_(patient) {}

  const cv::Mat& of(std::size_t slice) {
    cv::Mat& mask = masks_[slice];
    if (mask.empty()) mask = lung_mask(patient_, slice);
    return mask;
  }

 private:
  const Patient& patient_;
  std::map<std::size_t, cv::Mat> masks_;
};

/// How one reader draws one nodule.
struct Hand {
  double scale;
  std::vector<Bump> bumps;
};

Hand draw_hand(Random& random) {
  Hand hand{std::clamp(random.normal(1.0, 0.07), 0.82, 1.2), {}};
  for (int i = 0; i < 6; ++i) hand.bumps.push_back({random_direction(random), random.normal(0.0, 0.065), 5.0});
  return hand;
}

cv::Mat drawn_mask(const Patient& patient, const cv::Mat& lung, const Lesion& lesion, std::size_t slice,
                   const Hand& hand) {
  cv::Mat mask = cv::Mat::zeros(lung.size(), CV_8UC1);
  Lesion drawn = lesion;
  drawn.radius_mm *= hand.scale;
  const View view = view_of(patient.anatomy, patient.scan, slice);
  visit_lesion(view, drawn, hand.bumps, [&](int row, int column, double distance, double) {
    if (distance <= 0.0 && lung.at<unsigned char>(row, column) != 0) mask.at<unsigned char>(row, column) = 1;
  });
  return mask;
}

/// The largest part of a mask, outlined by the pixels just outside of it; empty for an empty mask.
std::vector<cv::Point> outline_of(const cv::Mat& mask) {
  const cv::Mat cross = cv::getStructuringElement(cv::MORPH_CROSS, {3, 3});
  cv::Mat grown;
  cv::dilate(mask, grown, cross);
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(grown, contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  const auto largest = std::max_element(contours.begin(), contours.end(), [](const auto& a, const auto& b) {
    return cv::contourArea(a) < cv::contourArea(b);
  });
  if (largest == contours.end()) return {};
  std::vector<cv::Point> points = *largest;
  points.push_back(points.front());
  return points;
}

cv::Point pixel_of(const Patient& patient, const Lesion& lesion, std::size_t slice) {
  const View view = view_of(patient.anatomy, patient.scan, slice);
  const cv::Point2d pixel = view.to_pixel({lesion.centre.x, lesion.centre.y}, lesion.centre.z);
  return {cvRound(pixel.x), cvRound(pixel.y)};
}

std::size_t middle_slice(const Patient& patient, const Lesion& lesion) {
  const std::vector<double>& z = patient.scan.z_mm;
  const auto nearest = std::min_element(z.begin(), z.end(), [&](double a, double b) {
    return std::abs(a - lesion.centre.z) < std::abs(b - lesion.centre.z);
  });
  return static_cast<std::size_t>(nearest - z.begin());
}

std::vector<Contour> contours_of(const Patient& patient, LungMasks& lungs, const Lesion& lesion, const Hand& hand) {
  std::map<std::size_t, cv::Mat> masks;
  int largest = 0;
  for (std::size_t slice = 0; slice < patient.scan.z_mm.size(); ++slice) {
    if (std::abs(patient.scan.z_mm[slice] - lesion.centre.z) > 1.4 * lesion.reach_mm()) continue;
    masks[slice] = drawn_mask(patient, lungs.of(slice), lesion, slice, hand);
    largest = std::max(largest, cv::countNonZero(masks[slice]));
  }
  std::vector<Contour> contours;
  for (const auto& [slice, mask] : masks) {
    if (cv::countNonZero(mask) < std::max(2.0, kFaintShare * largest)) continue;
    std::vector<cv::Point> points = outline_of(mask);
    if (!points.empty()) contours.push_back({slice, std::move(points)});
  }
  return contours;
}

double detection_rate(const Lesion& lesion) {
  switch (lesion.kind) {
    case LesionKind::kMalignant: return 0.94;
    case LesionKind::kIndeterminate: return 0.8;
    case LesionKind::kBenign: return lesion.calcified_share > 0.0 ? 0.85 : 0.72;
    case LesionKind::kSmall: return 0.5;
    case LesionKind::kScar: return 0.3;
  }
  return 0.0;
}

/// Who sees a lesion. Nodules of 3 mm and more are seen by at least two.
std::array<bool, kReaders> who_sees(const Lesion& lesion, Random& random) {
  std::array<bool, kReaders> seen{};
  const bool nodule = lesion.kind != LesionKind::kSmall && lesion.kind != LesionKind::kScar;
  do {
    for (bool& reader : seen) reader = random.uniform() < detection_rate(lesion);
  } while (nodule && std::count(seen.begin(), seen.end(), true) < 2);
  return seen;
}

void add_mark(Reading& reading, const Patient& patient, LungMasks& lungs, std::size_t index, Random& random) {
  const Lesion& lesion = patient.lesions[index];
  const std::size_t middle = middle_slice(patient, lesion);
  const cv::Point jitter(static_cast<int>(random.below(3)) - 1, static_cast<int>(random.below(3)) - 1);
  if (lesion.kind == LesionKind::kScar) {
    reading.non_nodules.push_back({index, middle, pixel_of(patient, lesion, middle) + jitter});
    return;
  }
  if (lesion.kind == LesionKind::kSmall) {
    reading.nodules.push_back({index, std::nullopt, {{middle, {pixel_of(patient, lesion, middle) + jitter}}}});
    return;
  }
  const Hand hand = draw_hand(random);
  NoduleMark mark{index, rate(lesion, random), contours_of(patient, lungs, lesion, hand)};
  if (!mark.contours.empty()) reading.nodules.push_back(std::move(mark));
}

}  // namespace

cv::Mat lesion_mask(const Patient& patient, const Lesion& lesion, std::size_t slice) {
  return drawn_mask(patient, lung_mask(patient, slice), lesion, slice, {1.0, {}});
}

Readings read_scan(const Patient& patient) {
  Readings readings;
  LungMasks lungs(patient);
  for (std::size_t index = 0; index < patient.lesions.size(); ++index) {
    Random random(derive_seed(patient.seed, "phantom/reading", static_cast<std::uint64_t>(patient.index), 0, index));
    const std::array<bool, kReaders> seen = who_sees(patient.lesions[index], random);
    for (std::size_t reader = 0; reader < kReaders; ++reader) {
      if (seen[reader]) add_mark(readings[reader], patient, lungs, index, random);
    }
  }
  return readings;
}

}  // namespace pulmo::pipeline::phantom
