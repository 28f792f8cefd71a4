#pragma once

#include <opencv2/core/mat.hpp>
#include <opencv2/core/types.hpp>

#include "core/support/bytes.h"

namespace pulmo::serving {

/// Values in [low, high] as an 8-bit grey PNG, 512 pixels a side at most.
Bytes grey_png(const cv::Mat& image, double low, double high);

/// Colours of outlines, blue, green, red, opacity: told apart from each other, from grey and from the map below.
inline const cv::Scalar kLungColour(255, 200, 0, 255);
inline const cv::Scalar kNoduleColour(240, 90, 255, 255);

/// The inner edge of the mask (S,S) CV_8UC1, one pixel wide, as an RGBA PNG of the same size, clear elsewhere.
Bytes outline_png(const cv::Mat& mask, const cv::Scalar& colour);

/// A map (S,S) CV_32FC1 of values from 0 to `highest` as an RGBA PNG: colour and opacity grow with their share of
/// that. Colours are those of the "inferno" scale, which people with colour-blindness can read too.
Bytes heat_png(const cv::Mat& heat, double highest);

}  // namespace pulmo::serving
