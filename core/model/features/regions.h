#pragma once

#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/model/features/feature_list.h"

namespace pulmo::features {

/// One 8-connected region of a binary picture. Lengths in pixels.
struct Region {
  double area = 0.0;              ///< pixels
  double eccentricity = 0.0;      ///< of the ellipse with the same second moments, each pixel a unit square
  double major_axis = 0.0;        ///< of that ellipse, full length
  double solidity = 0.0;          ///< area / area of the convex hull of its pixels' squares
  double extent = 0.0;            ///< area / area of its bounding box
  double mean = 0.0;              ///< mean of the image over it, 1 = 65535
  double inscribed_radius = 0.0;  ///< largest distance of one of its pixels to a pixel outside
};

/// The regions of `mask` (S,S) CV_8UC1 with at least `min_area` pixels, largest first (then brightest). Solidity is
/// computed for the first `detailed` of them only. `image` is (S,S) CV_16UC1.
std::vector<Region> find_regions(const cv::Mat& mask, const cv::Mat& image, int min_area, std::size_t detailed);

/// Shape of the lung field: its share of the picture, number of parts, and the two largest parts.
void add_lung_shape(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs);

/// The bright spots inside the lungs (nodules, vessels): pixels above Otsu's threshold (Otsu 1979) of the lung pixels;
/// how many, how much, and size, roundness, solidity, brightness of the three largest.
void add_bright_spots(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs);

}  // namespace pulmo::features
