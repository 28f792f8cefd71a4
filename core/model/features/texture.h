#pragma once

#include <opencv2/core/mat.hpp>

#include "core/model/features/feature_list.h"

namespace pulmo::features {

/// Grey-level co-occurrence (Haralick, Shanmugam, Dinstein 1973) of the lung pixels: 32 grey levels, distances 1, 2 and
/// 4 pixels, symmetric, pairs with a pixel outside the lungs left out; contrast, dissimilarity, homogeneity, energy,
/// correlation and entropy, each as mean and range over the four directions.
void add_cooccurrence(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs);

/// Local binary patterns (Ojala, Pietikainen, Maenpaa 2002): rotation-invariant uniform patterns of 8 neighbours at
/// radius 1 and 3, bilinear between pixels, outside the picture 0; the share of each of the 10 patterns among the lung
/// pixels.
void add_binary_patterns(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs);

}  // namespace pulmo::features
