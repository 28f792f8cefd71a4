#pragma once

#include <opencv2/core/mat.hpp>
#include <opencv2/core/types.hpp>
#include <vector>

#include "core/model/features/feature_list.h"

namespace pulmo::features {

/// One 8-connected region of a binary picture. Lengths in pixels.
struct Region {
  int label = 0;                  ///< its value in Regions::labels
  cv::Rect box;                   ///< bounding box
  double area = 0.0;              ///< pixels
  double eccentricity = 0.0;      ///< of the ellipse with the same second moments, each pixel a unit square
  double major_axis = 0.0;        ///< of that ellipse, full length
  double mean = 0.0;              ///< mean of the image over it, 1 = 65535
  double inscribed_radius = 0.0;  ///< largest distance of one of its pixels to a pixel outside; 0 when not asked
  double off_centre = 0.0;        ///< smallest distance of one of its pixels to the centre of the picture
};

struct Regions {
  cv::Mat labels;             ///< (S,S) CV_32SC1, 0 outside
  std::vector<Region> found;  ///< largest first, then brightest
};

struct RegionQuery {
  int min_area = 1;     ///< smaller regions are left out
  bool radius = false;  ///< whether the inscribed radius is computed
};

/// The regions of `mask` (S,S) CV_8UC1. `image` is (S,S) CV_16UC1.
Regions find_regions(const cv::Mat& mask, const cv::Mat& image, const RegionQuery& query);

/// Area of the region / area of the convex hull of its pixels' squares.
double solidity_of(const Regions& regions, const Region& region);

/// Shape of the lung field: its share of the picture, number of parts, and the two largest parts.
void add_lung_shape(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs);

/// The bright spots inside the lungs (nodules, vessels): pixels above Otsu's threshold (Otsu 1979) of the lung pixels;
/// how many, how much, and size, roundness, solidity, brightness of the three largest and of the one nearest to the
/// centre of the picture, where nodule patches hold their nodule.
void add_bright_spots(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs);

}  // namespace pulmo::features
