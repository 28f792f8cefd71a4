#include "pipeline/phantom/slice_renderer.h"

#include <array>
#include <numbers>
#include <opencv2/imgproc.hpp>

#include "pipeline/phantom/texture.h"
#include "pipeline/phantom/thorax.h"

namespace pulmo::pipeline::phantom {
namespace {

constexpr double kTextureStep = 7.0;  // mm along z over which lung texture changes

/// Unevenness of the tissues outside the lungs as a share of the lungs'.
constexpr std::array<float, kTissueCount> kTextureGain = [] {
  std::array<float, kTissueCount> gain{};
  const auto set = [&](Tissue tissue, float share) { gain[static_cast<std::size_t>(tissue)] = share; };
  for (const Tissue tissue : {Tissue::kMuscle, Tissue::kFat, Tissue::kMediastinalFat}) set(tissue, 0.3F);
  for (const Tissue tissue : {Tissue::kLiver, Tissue::kSpleen, Tissue::kMyocardium}) set(tissue, 0.18F);
  set(Tissue::kGland, 0.8F);
  set(Tissue::kMarrow, 2.0F);
  set(Tissue::kCortical, 3.0F);
  return gain;
}();

std::uint64_t stream(const Patient& patient, std::string_view purpose, std::int64_t index) {
  return derive_seed(patient.seed, purpose, static_cast<std::uint64_t>(patient.index), 0,
                     static_cast<std::uint64_t>(index));
}

/// Lobules, small vessels below resolution and slow unevenness of aeration.
cv::Mat make_lung_texture(const Patient& patient) {
  Random random(stream(patient, "phantom/texture", 0));
  const double px = 1.0 / patient.scan.grid.spacing_mm;
  cv::Mat sum = cv::Mat::zeros(patient.scan.grid.side_px, patient.scan.grid.side_px, CV_32FC1);
  for (const auto& [sigma_mm, weight] : {std::pair{0.8, 0.8}, std::pair{2.4, 0.35}, std::pair{10.0, 0.4}}) {
    cv::Mat layer = blur_wrapped(white_noise(random, patient.scan.grid.side_px), sigma_mm * px, sigma_mm * px);
    standardise(layer);
    sum += weight * layer;
  }
  standardise(sum);
  return sum;
}

/// Noise with the spectrum of a filtered back-projection: little at low frequencies, cut off by the kernel.
cv::Mat make_noise(const Patient& patient) {
  Random random(stream(patient, "phantom/noise", -1));
  const double kernel_px = 0.85 * patient.scanner.blur_mm / patient.scan.grid.spacing_mm;
  const cv::Mat fine = blur_wrapped(white_noise(random, patient.scan.grid.side_px), kernel_px, kernel_px);
  cv::Mat tile = fine - 0.85 * blur_wrapped(fine, 2.6, 2.6);
  standardise(tile);
  return tile;
}

cv::Mat make_streaks(const Patient& patient) {
  Random random(stream(patient, "phantom/streaks", 0));
  cv::Mat tile = blur_wrapped(white_noise(random, patient.scan.grid.side_px), 38.0, 0.8);
  standardise(tile);
  return tile;
}

/// Two looks at one tile of noise make a field that no other slice has.
cv::Mat mix_of_two(const cv::Mat& tile, Random& random) {
  cv::Mat other;
  cv::flip(tile, other, 1);
  return (rolled(tile, random) + rolled(other, random)) * (1.0 / std::numbers::sqrt2);
}

}  // namespace

SliceRenderer::SliceRenderer(const Patient& patient)
    : patient_(patient),
      lung_texture_(make_lung_texture(patient)),
      noise_(make_noise(patient)),
      streaks_(make_streaks(patient)) {
  const double sigma = 4.0 / patient.scan.grid.spacing_mm;
  lung_blobs_ = blur_wrapped(lung_texture_, sigma, sigma);
  standardise(lung_blobs_);
}

SliceRenderer::Texture SliceRenderer::texture_of(std::size_t slice) const {
  const double z = patient_.scan.z_mm[slice];
  const double step = std::floor(z / kTextureStep);
  const double share = z / kTextureStep - step;
  const auto moved = [&](const cv::Mat& tile, double key) {
    Random random(stream(patient_, "phantom/texture-key", static_cast<std::int64_t>(key)));
    return rolled(tile, random);
  };
  const double before = std::cos(0.5 * std::numbers::pi * share);  // keeps the variance
  const double after = std::sin(0.5 * std::numbers::pi * share);
  Texture texture;
  texture.tissue = 20.0 * (before * moved(lung_texture_, step) + after * moved(lung_texture_, step + 1.0));
  const cv::Mat blobs = before * moved(lung_blobs_, step) + after * moved(lung_blobs_, step + 1.0);
  const Anatomy& anatomy = patient_.anatomy;
  const double worse_above = std::clamp(1.2 - anatomy.t_of(z), 0.3, 1.2);
  const cv::Mat destroyed = cv::min(cv::max(blobs - 0.7, 0.0), 1.0);
  texture.lung = texture.tissue - (95.0 * anatomy.emphysema * worse_above) * destroyed;
  const View view = view_of(anatomy, patient_.scan, slice);
  for (int row = 0; row < texture.lung.rows; ++row) {  // gravity: the back of the lung is denser
    const double y = view.grid.first_y_mm + row * view.grid.spacing_mm - anatomy.pose.shift_y_mm;
    texture.lung.row(row) += anatomy.posterior_gain_hu * std::clamp(y / 80.0, -1.0, 1.2);
  }
  return texture;
}

cv::Mat SliceRenderer::expose_plane(const View& view, const Texture& texture) const {
  const cv::Mat tissues = paint_tissues(patient_.anatomy, view);
  cv::Mat hu(tissues.size(), CV_32FC1);
  for (int row = 0; row < hu.rows; ++row) {
    const unsigned char* tissue = tissues.ptr<unsigned char>(row);
    const float* uneven = texture.tissue.ptr<float>(row);
    const float* lung = texture.lung.ptr<float>(row);
    float* out = hu.ptr<float>(row);
    for (int column = 0; column < hu.cols; ++column) {
      const bool in_lung = tissue[column] == static_cast<unsigned char>(Tissue::kLung);
      const float texture_hu = in_lung ? lung[column] : kTextureGain[tissue[column]] * uneven[column];
      out[column] = patient_.anatomy.hu[tissue[column]] + texture_hu;
    }
  }
  draw_lung_detail(hu, tissues == static_cast<int>(Tissue::kLung), view, patient_);
  return hu;
}

cv::Mat SliceRenderer::expose(std::size_t slice) const {
  const Texture texture = texture_of(slice);
  // Planes over the thickness, each moved by a part of a pixel: soft edges along z and in the plane.
  const double thickness = patient_.scan.thickness_mm;
  const int planes = std::clamp(static_cast<int>(std::lround(thickness / 1.1)), 3, 5);
  cv::Mat sum = cv::Mat::zeros(texture.lung.size(), CV_32FC1);
  for (int i = 0; i < planes; ++i) {
    const double share = (i + 0.5) / planes - 0.5;
    View view = view_of(patient_.anatomy, patient_.scan, slice);
    view.z_mm += share * thickness;
    view.grid.first_x_mm += share * view.grid.spacing_mm;
    view.grid.first_y_mm += ((2 * i) % planes + 0.5 - 0.5 * planes) / planes * view.grid.spacing_mm;
    sum += expose_plane(view, texture);
  }
  return sum / static_cast<double>(planes);
}

cv::Mat SliceRenderer::render(std::size_t slice) const {
  cv::Mat hu = expose(slice);
  const Scanner& scanner = patient_.scanner;
  const double spacing = patient_.scan.grid.spacing_mm;
  const NoiseLevel level = noise_level(hu, spacing, scanner.noise_hu);
  const double sigma = std::max(0.05, scanner.blur_mm / spacing);
  cv::GaussianBlur(hu, hu, cv::Size(), sigma, sigma, cv::BORDER_REPLICATE);
  if (scanner.edge_gain > 0.0) {
    cv::Mat wide;
    cv::GaussianBlur(hu, wide, cv::Size(), 2.0 * sigma, 2.0 * sigma, cv::BORDER_REPLICATE);
    hu += scanner.edge_gain * (hu - wide);
  }
  Random random(stream(patient_, "phantom/noise", static_cast<std::int64_t>(slice)));
  hu += level.deviation.mul(mix_of_two(noise_, random));
  cv::Mat streaks = rolled(streaks_, random);
  for (int row = 0; row < hu.rows; ++row) {
    hu.row(row) += streaks.row(row) * level.streak.at<float>(row);
  }
  return hu;
}

}  // namespace pulmo::pipeline::phantom
