#pragma once

#include <opencv2/core/mat.hpp>

#include "core/model/features/feature_list.h"

namespace pulmo::features {

/// Grey values of the lung pixels, 1 = 65535: mean, standard deviation, skewness, excess kurtosis, percentiles (the
/// smallest value that at least so many percent do not exceed) and a histogram of 16 equal bins as shares.
void add_histogram(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs);

/// Blob strength -s^2 LoG (Lindeberg 1998) at s = 1.5, 3 and 6 pixels of the halved picture: highest value and standard
/// deviation over the lungs. Bright round structures of radius about 1.4 s answer most.
void add_blobs(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs);

/// Histograms of oriented gradients (Dalal, Triggs 2005) of the picture at 64x64: 2x2 cells of 9 unsigned directions,
/// one L2-Hys normalised block: 36 values.
void add_gradients(FeatureList& list, const cv::Mat& image);

}  // namespace pulmo::features
