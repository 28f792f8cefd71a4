#include "pipeline/phantom/skeleton.h"

#include <numbers>

namespace pulmo::pipeline::phantom {
namespace {

constexpr double kDegree = std::numbers::pi / 180.0;
constexpr int kRibs = 11;

/// Parameter of the cavity's outline for `degrees` measured from the left (0) to the back (90), mirrored for the right.
double angle_of(double degrees, int side) {
  return (side > 0 ? degrees : 180.0 - degrees) * kDegree;
}

Point3 on_wall(const Anatomy& anatomy, double degrees, int side, double z_mm, double offset_mm) {
  const Point p = cavity_point(anatomy, anatomy.t_of(z_mm), angle_of(degrees, side), offset_mm);
  return {p.x, p.y, z_mm};
}

void add_rib(const Anatomy& anatomy, int number, int side, std::vector<Tube>& bones) {
  const double top = 14.0 - anatomy.vertebra_mm * (number + anatomy.vertebra_phase - 1.0) * 0.93;
  const double drop = interpolate({{1, 34}, {3, 66}, {7, 80}, {11, 46}}, number);
  const double end = interpolate({{1, -52}, {7, -58}, {9, -30}, {11, 20}}, number);
  const Point spine = spine_centre(anatomy, anatomy.t_of(top));
  std::vector<Station> stations = {{{side * 22.0, spine.y + 12.0, top - 1.0}, 4.4}};
  constexpr int kSteps = 22;
  for (int i = 0; i <= kSteps; ++i) {
    const double share = static_cast<double>(i) / kSteps;
    const double z = top - drop * std::pow(share, 1.25);
    stations.push_back({on_wall(anatomy, 74.0 + share * (end - 74.0), side, z, 5.2), 3.9});
  }
  bones.push_back({chain(stations, 1.45), Tissue::kMarrow, 1.5, Tissue::kCortical});
  if (number > 8) return;
  const double z_end = stations.back().at.z;
  const double rise = interpolate({{1, 2}, {4, 12}, {8, 40}}, number);
  std::vector<Station> cartilage;
  for (int i = 0; i <= 8; ++i) {
    const double share = i / 8.0;
    cartilage.push_back({on_wall(anatomy, end + share * (-80.0 - end), side, z_end + rise * share * share, 5.5), 4.2});
  }
  bones.push_back({chain(cartilage, 1.3), Tissue::kCartilage});
}

void add_processes(const Anatomy& anatomy, int number, std::vector<Tube>& bones) {
  const double z = 22.0 - anatomy.vertebra_mm * (number + anatomy.vertebra_phase);
  const Point spine = spine_centre(anatomy, anatomy.t_of(z));
  for (const int side : {-1, 1}) {
    const std::vector<Station> transverse = {{{side * 11.0, spine.y + 17.0, z}, 5.2},
                                             {{side * 22.0, spine.y + 24.0, z + 2.0}, 4.4},
                                             {{side * 31.0, spine.y + 28.0, z + 3.0}, 4.8}};
    bones.push_back({chain(transverse, 1.3), Tissue::kMarrow, 1.4, Tissue::kCortical});
    bones.push_back(
        {chain({{{side * 10.5, spine.y + 10.0, z + 3.0}, 4.2}, {{side * 9.5, spine.y + 25.0, z}, 3.8}}, 1.5),
         Tissue::kMarrow, 1.4, Tissue::kCortical});
  }
  const std::vector<Station> spinous = {{{0.0, spine.y + 31.0, z}, 4.0}, {{0.0, spine.y + 51.0, z - 15.0}, 3.4}};
  bones.push_back({chain(spinous, 1.8), Tissue::kMarrow, 1.4, Tissue::kCortical});
}

void paint_vertebra(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  const Point centre = spine_centre(anatomy, t);
  const double level = (22.0 - view.z_mm) / anatomy.vertebra_mm - anatomy.vertebra_phase + 0.36;
  const double phase = level - std::floor(level);  // 0 to 0.76 body, then disc
  const double half_width = 15.5 + 2.5 * t;
  const double half_depth = 13.0 + 2.0 * t;
  const Point canal(centre.x, centre.y + half_depth + 8.0);
  if (phase < 0.76) {
    const double waist = 1.6 * std::sin(std::numbers::pi * phase / 0.76);
    const bool end_plate = phase < 0.05 || phase > 0.71;
    fill(tissues, view, ellipse(centre, half_width - waist, half_depth - 0.6 * waist), Tissue::kCortical);
    if (!end_plate) {
      fill(tissues, view, ellipse(centre, half_width - waist - 1.3, half_depth - 0.6 * waist - 1.3), Tissue::kMarrow);
    }
    fill(tissues, view, ellipse(canal, 13.5, 11.5), Tissue::kCortical);
    fill(tissues, view, ellipse(canal, 11.8, 10.0), Tissue::kMarrow);
  } else {
    fill(tissues, view, ellipse(centre, half_width + 0.4, half_depth + 0.3), Tissue::kDisc);
    fill(tissues, view, ellipse(canal, 11.0, 10.5), Tissue::kMuscle);
  }
  fill(tissues, view, ellipse(canal, 10.2, 8.7), phase < 0.76 ? Tissue::kCortical : Tissue::kFat);
  fill(tissues, view, ellipse(canal, 9.0, 7.6), Tissue::kCanal);
  fill(tissues, view, ellipse(canal, 4.8, 3.9), Tissue::kCord);
}

void paint_sternum(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  if (t < 0.03 || t > 0.66) return;
  const double half_width =
      interpolate({{0.03, 12}, {0.07, 23}, {0.15, 21}, {0.22, 14}, {0.5, 18}, {0.62, 9}, {0.66, 4}}, t);
  const Point centre(0.0, cavity_point(anatomy, t, -90.0 * kDegree, 9.0).y);
  fill(tissues, view, ellipse(centre, half_width, 6.2), Tissue::kCortical);
  fill(tissues, view, ellipse(centre, half_width - 1.3, 4.9), Tissue::kMarrow);
}

void paint_collar_bones(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  if (t < -0.08 || t > 0.05) return;
  const double sideways = interpolate({{-0.08, 62}, {0.05, 24}}, t);
  const double y = cavity_point(anatomy, t, -90.0 * kDegree, 9.0).y;
  for (const int side : {-1, 1}) {
    const Point centre(side * sideways, y + 0.12 * sideways);
    fill(tissues, view, ellipse(centre, 15.0, 6.0, side * 0.25), Tissue::kCortical);
    fill(tissues, view, ellipse(centre, 13.2, 4.2, side * 0.25), Tissue::kMarrow);
  }
}

void paint_shoulder_blades(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  if (t > 0.46) return;
  const double first = interpolate({{-0.1, 20}, {0.1, 24}, {0.46, 33}}, t);
  const double last = interpolate({{-0.1, 58}, {0.1, 62}, {0.46, 44}}, t);
  for (const int side : {-1, 1}) {
    Outline line;
    for (int i = 0; i <= 8; ++i) {
      const double bow = 3.0 * std::sin(std::numbers::pi * i / 8.0);
      line.push_back(cavity_point(anatomy, t, angle_of(first + (last - first) * i / 8.0, side), 19.0 - bow));
    }
    fill(tissues, view, band(line, 2.7), Tissue::kCortical);
    fill(tissues, view, band(line, 1.1), Tissue::kMarrow);
    if (t < 0.16) {  // the spine of the blade
      const Outline ridge = {line[3], line[3] + Point(side * 6.0, 18.0)};
      fill(tissues, view, band(ridge, 2.6), Tissue::kCortical);
    }
  }
}

}  // namespace

std::vector<Tube> make_skeleton(const Anatomy& anatomy) {
  std::vector<Tube> bones;
  for (int number = 1; number <= kRibs; ++number) {
    for (const int side : {-1, 1}) add_rib(anatomy, number, side, bones);
  }
  for (int number = 0; number <= kRibs + 1; ++number) add_processes(anatomy, number, bones);
  return bones;
}

void paint_tubes(cv::Mat& tissues, const View& view, const std::vector<Tube>& tubes) {
  for (const Tube& tube : tubes) {
    if (tube.shell_mm > 0.0) fill(tissues, view, tube.capsules, 0.0, tube.shell);
  }
  for (const Tube& tube : tubes) fill(tissues, view, tube.capsules, tube.shell_mm, tube.core);
}

void paint_skeleton(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  paint_shoulder_blades(tissues, view, anatomy);
  paint_tubes(tissues, view, anatomy.bones);
  paint_vertebra(tissues, view, anatomy);
  paint_sternum(tissues, view, anatomy);
  paint_collar_bones(tissues, view, anatomy);
}

}  // namespace pulmo::pipeline::phantom
