#include "pipeline/phantom/scanner.h"

namespace pulmo::pipeline::phantom {
namespace {

constexpr double kFirst = -0.045;  // t of the uppermost slice: no lung yet
constexpr double kLast = 0.94;     // t of the lowest: only the posterior recess is left

std::vector<Scanner> make_scanners() {
  Scanner a;
  a.model = "A";
  a.fields_mm = {330, 360, 390};
  a.padding_value = -2000;
  a.kernel = "STANDARD";
  a.blur_mm = 0.62;
  a.noise_hu = 12.0;
  a.step_mm = 4.0;
  a.thickness_mm = 4.0;
  Scanner b;
  b.model = "B";
  b.fields_mm = {380, 410, 430};
  b.step_mm = 5.0;
  b.thickness_mm = 5.0;
  b.intercept_hu = 0;
  b.numbers_from_below = true;
  b.kernel = "B31f";
  b.blur_mm = 0.85;
  b.noise_hu = 9.0;
  Scanner c;
  c.model = "C";
  c.fields_mm = {315, 345, 375};
  c.step_mm = 4.0;
  c.thickness_mm = 3.0;
  c.is_signed = false;
  c.bits_stored = 12;
  c.intercept_hu = -1000;
  c.kernel = "LUNG";
  c.blur_mm = 0.5;
  c.edge_gain = 0.45;
  c.noise_hu = 22.0;
  return {a, b, c};
}

double smallest_field(const Anatomy& anatomy, const Scanner& scanner) {
  const Outline body = body_outline(anatomy, 0.5);
  double half = 0.0;
  for (const Point& p : body) half = std::max(half, std::abs(p.x));
  for (const double field : scanner.fields_mm) {
    if (field >= 2.0 * half + 4.0) return field;
  }
  return scanner.fields_mm.back();  // the widest patients do not fit, as on real scanners
}

}  // namespace

const std::vector<Scanner>& scanners() {
  static const std::vector<Scanner> all = make_scanners();
  return all;
}

Scan plan_scan(const Anatomy& anatomy, const Scanner& scanner, int side_px, int slices, Random& random) {
  Scan scan;
  scan.field_mm = smallest_field(anatomy, scanner);
  scan.grid.side_px = side_px;
  scan.grid.spacing_mm = scan.field_mm / side_px;
  scan.grid.first_x_mm = -0.5 * scan.field_mm + 0.5 * scan.grid.spacing_mm;
  scan.grid.first_y_mm = scan.grid.first_x_mm;
  const double top = anatomy.z_of(kFirst);
  const double range = top - anatomy.z_of(kLast);
  const int count = slices > 0 ? slices : static_cast<int>(std::round(range / scanner.step_mm)) + 1;
  scan.step_mm = slices > 0 ? std::max(0.5, std::round(range / (count - 1) * 10.0) / 10.0) : scanner.step_mm;
  scan.thickness_mm = std::min(scanner.thickness_mm, scan.step_mm);
  scan.table_mm = std::round(random.uniform(-160.0, 40.0)) - top;
  for (int i = 0; i < count; ++i) scan.z_mm.push_back(top - i * scan.step_mm);
  return scan;
}

View view_of(const Anatomy& anatomy, const Scan& scan, std::size_t slice) {
  return {scan.grid, anatomy.pose, scan.z_mm[slice]};
}

}  // namespace pulmo::pipeline::phantom
