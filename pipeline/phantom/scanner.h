#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/phantom/anatomy.h"

namespace pulmo::pipeline::phantom {

/// One model of scanner: how it samples the body and how it stores CT numbers.
struct Scanner {
  std::string model;              ///< Manufacturer's Model Name
  std::vector<double> fields_mm;  ///< reconstruction diameters it offers, ascending
  double step_mm = 5.0;           ///< from one slice to the next
  double thickness_mm = 5.0;
  bool is_signed = true;
  int bits_stored = 16;
  int intercept_hu = -1024;          ///< HU = stored + intercept
  std::optional<int> padding_value;  ///< stored outside the circle of reconstruction
  bool numbers_from_below = false;   ///< instance 1 is the lowest slice
  std::string kernel;                ///< Convolution Kernel
  double blur_mm = 0.6;              ///< standard deviation of its point spread
  double edge_gain = 0.0;            ///< sharpening of edges
  double noise_hu = 12.0;            ///< standard deviation in soft tissue in the middle of an average chest
};

inline constexpr const char* kManufacturer = "pulmo phantom";

/// The three scanners of the phantom.
const std::vector<Scanner>& scanners();

/// One acquisition: where its slices lie. Slice 0 is the uppermost.
struct Scan {
  SliceGrid grid;
  double field_mm = 0.0;  ///< reconstruction diameter
  double step_mm = 0.0;
  double thickness_mm = 0.0;
  double table_mm = 0.0;     ///< z of the DICOM patient frame minus z of the body frame
  std::vector<double> z_mm;  ///< body frame, descending
};

/// From just above the lungs to where the diaphragm has closed all but their rim. `slices` 0: as the scanner's step
/// asks; else that many, spread evenly over the same range, and no thicker than their distance.
Scan plan_scan(const Anatomy& anatomy, const Scanner& scanner, int side_px, int slices, Random& random);

View view_of(const Anatomy& anatomy, const Scan& scan, std::size_t slice);

}  // namespace pulmo::pipeline::phantom
