#pragma once

#include <opencv2/core/mat.hpp>
#include <optional>

namespace pulmo {

/// Finds the lungs in one axial slice. `normalised` is (S,S) CV_32FC1 in [0, 1], air dark. Threshold (Otsu's when none
/// is given), air inside the body (border-connected air and the table removed), opening and closing, holes filled,
/// vessels and juxtapleural nodules kept, small parts dropped. Returns (S,S) CV_8UC1, 1 inside the lungs; all zero
/// when there is none. Pure function, thread-safe.
cv::Mat segment_lungs(const cv::Mat& normalised, std::optional<double> threshold);

}  // namespace pulmo
