#include <opencv2/core.hpp>

#include "pipeline/phantom/lesion_view.h"
#include "pipeline/phantom/slice_renderer.h"

namespace pulmo::pipeline::phantom {
namespace {

constexpr double kWallHu = -150.0;  // of a bronchus in the lung, thinner than a pixel

/// Mixes `value` into a pixel.
void mix(float& pixel, double share, double value) {
  pixel += static_cast<float>(share * (value - static_cast<double>(pixel)));
}

/// Share of a pixel covered by a surface at signed distance `distance_mm` that fades over `edge_mm`.
double coverage(double distance_mm, double edge_mm) {
  return std::clamp(0.5 - distance_mm / edge_mm, 0.0, 1.0);
}

void draw_capsule(cv::Mat& hu, const cv::Mat& lung, const View& view, const Capsule& capsule, double value) {
  const double edge = view.grid.spacing_mm;
  visit_capsule(view, capsule, 0.5 * edge, [&](int row, int column, double distance) {
    const double share = coverage(distance, edge);
    if (share > 0.0 && lung.at<unsigned char>(row, column) != 0) mix(hu.at<float>(row, column), share, value);
  });
}

void draw_branches(cv::Mat& hu, const cv::Mat& lung, const View& view, const Patient& patient) {
  const auto blood = [&](Tissue tissue) {
    return static_cast<double>(patient.anatomy.hu[static_cast<std::size_t>(tissue)]);
  };
  for (const LungBranch& branch : patient.lung_branches) {
    if (branch.kind == LungTreeKind::kAirway) continue;
    // Lung arteries carry venous blood.
    const bool artery = branch.kind == LungTreeKind::kArtery;
    draw_capsule(hu, lung, view, branch.capsule, blood(artery ? Tissue::kVenousBlood : Tissue::kArterialBlood));
  }
  for (const bool wall : {true, false}) {
    for (const LungBranch& branch : patient.lung_branches) {
      if (branch.kind != LungTreeKind::kAirway) continue;
      Capsule capsule = branch.capsule;
      if (wall) {
        capsule.radius_a += 0.5 + 0.18 * capsule.radius_a;
        capsule.radius_b += 0.5 + 0.18 * capsule.radius_b;
      }
      draw_capsule(hu, lung, view, capsule, wall ? kWallHu : blood(Tissue::kAirwayLumen));
    }
  }
}

/// The oblique fissure of each lung: from high at the back to low at the front.
void draw_fissures(cv::Mat& hu, const cv::Mat& lung, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  if (t < 0.22 || t > 0.9) return;
  const double width = cavity_half_width(anatomy, t);
  for (const int side : {-1, 1}) {
    const double y = interpolate({{0.22, 70}, {0.5, 18}, {0.8, -55}, {0.9, -75}}, t) * anatomy.depth + 4.0 * side;
    std::vector<Station> stations;
    for (int i = 0; i <= 10; ++i) {
      const double share = i / 10.0;
      const double bow = 10.0 * std::sin(3.0 * share + 2.0 * t);
      stations.push_back({{side * (12.0 + share * (width - 12.0)), y - bow, view.z_mm}, 0.32});
    }
    for (const Capsule& part : chain(stations)) draw_capsule(hu, lung, view, part, -600.0);
  }
}

void draw_lesion(cv::Mat& hu, const cv::Mat& lung, const View& view, const Lesion& lesion) {
  if (lesion.rim_mm > 0.0) {
    visit_lesion(view, lesion, {}, [&](int row, int column, double distance, double) {
      if (lung.at<unsigned char>(row, column) == 0) return;
      mix(hu.at<float>(row, column), coverage(distance - lesion.rim_mm, 1.8), lesion.rim_hu);
    });
  }
  for (const Capsule& streak : lesion.streaks) draw_capsule(hu, lung, view, streak, lesion.hu);
  if (lesion.radius_mm <= 0.0) return;
  const double edge = std::max(view.grid.spacing_mm, lesion.edge_mm);
  visit_lesion(view, lesion, {}, [&](int row, int column, double distance, double share) {
    if (lung.at<unsigned char>(row, column) == 0) return;
    float& pixel = hu.at<float>(row, column);
    mix(pixel, coverage(distance, edge), lesion.hu);
    if (lesion.calcified_share > 0.0 && share < lesion.calcified_share && distance < 0.0)
      mix(pixel, 1.0, lesion.calcified_hu);
    if (share < lesion.cavity_share) mix(pixel, 1.0, -960.0);
  });
}

}  // namespace

void draw_lung_detail(cv::Mat& hu, const cv::Mat& lung, const View& view, const Patient& patient) {
  draw_fissures(hu, lung, view, patient.anatomy);
  draw_branches(hu, lung, view, patient);
  for (const Lesion& lesion : patient.lesions) draw_lesion(hu, lung, view, lesion);
}

}  // namespace pulmo::pipeline::phantom
