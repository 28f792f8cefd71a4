#pragma once

#include <opencv2/core/mat.hpp>

#include "pipeline/phantom/patient.h"

namespace pulmo::pipeline::phantom {

/// Makes the slices of one patient's scan. Immutable after construction; render() is thread-safe and a pure function
/// of patient and slice.
class SliceRenderer {
 public:
  /// Prepares textures and noise. `patient` must outlive the renderer.
  explicit SliceRenderer(const Patient& patient);

  /// CT numbers of slice `slice` as the scanner reconstructs them, (S,S) CV_32FC1 HU: sub-slices over the thickness
  /// averaged (partial volume), blurred by the kernel, with noise. Not yet rounded or clipped.
  cv::Mat render(std::size_t slice) const;

  /// What the scanner would see without blur and noise.
  cv::Mat expose(std::size_t slice) const;

 private:
  /// What the tissues differ by from their mean CT number, HU.
  struct Texture {
    cv::Mat lung;
    cv::Mat tissue;
  };
  Texture texture_of(std::size_t slice) const;
  cv::Mat expose_plane(const View& view, const Texture& texture) const;

  const Patient& patient_;
  cv::Mat lung_texture_;
  cv::Mat lung_blobs_;
  cv::Mat noise_;
  cv::Mat streaks_;
};

/// Standard deviation of the noise at each pixel, HU, from the attenuation along row and column (docs/phantom.md).
/// `deviation_hu` is that of an average chest. Also gives the share of streaks, [0, 1], by row.
struct NoiseLevel {
  cv::Mat deviation;  ///< (S,S) CV_32FC1
  cv::Mat streak;     ///< (S,1) CV_32FC1, HU
};
NoiseLevel noise_level(const cv::Mat& hu, double spacing_mm, double deviation_hu);

/// Draws what is finer than the tissues of paint_tissues() into one plane of CT numbers: fissures, vessels and bronchi
/// inside the lungs (where `lung` is set), then lesions.
void draw_lung_detail(cv::Mat& hu, const cv::Mat& lung, const View& view, const Patient& patient);

}  // namespace pulmo::pipeline::phantom
