#include <opencv2/imgproc.hpp>

#include "pipeline/phantom/slice_renderer.h"

namespace pulmo::pipeline::phantom {
namespace {

constexpr double kWaterPerMm = 0.0193;       // linear attenuation of water at 70 keV (NIST XCOM), 1/mm
constexpr double kAverageAttenuation = 3.4;  // line integral through the middle of an average chest
constexpr double kModulation = 0.55;         // share of the exponent left by tube current modulation

/// Line integrals of the attenuation along rows (dimension 1) or columns (dimension 0).
cv::Mat line_integrals(const cv::Mat& hu, double spacing_mm, int dimension) {
  cv::Mat density = cv::max(hu * 0.001 + 1.0, 0.0);
  cv::Mat sums;
  cv::reduce(density, sums, dimension, cv::REDUCE_SUM);
  cv::blur(sums, sums, dimension == 1 ? cv::Size(1, 5) : cv::Size(5, 1));
  return sums * (spacing_mm * kWaterPerMm);
}

}  // namespace

NoiseLevel noise_level(const cv::Mat& hu, double spacing_mm, double deviation_hu) {
  // N photons arrive of N0: N = N0 exp(-L), and counting them has the relative variance 1/N (Poisson). Back-projection
  // averages the rays through a pixel; here the two along the axes stand for all.
  const cv::Mat along_rows = line_integrals(hu, spacing_mm, 1);
  const cv::Mat along_columns = line_integrals(hu, spacing_mm, 0);
  cv::Mat rows;
  cv::Mat columns;
  cv::exp((along_rows - kAverageAttenuation) * kModulation, rows);
  cv::exp((along_columns - kAverageAttenuation) * kModulation, columns);
  NoiseLevel level;
  level.deviation = cv::repeat(rows, 1, hu.cols) + cv::repeat(columns, hu.rows, 1);
  cv::sqrt(level.deviation * 0.5, level.deviation);
  level.deviation *= deviation_hu;
  level.streak = cv::max(along_rows - (kAverageAttenuation + 1.8), 0.0) * (0.3 * deviation_hu);
  return level;
}

}  // namespace pulmo::pipeline::phantom
