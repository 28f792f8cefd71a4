#pragma once

#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

namespace pulmo {

/// Handcrafted features of one preprocessed image, (S,S) CV_16UC1 as stored in a shard: shape, texture and size of the
/// lung field and its bright spots, grey-level co-occurrence, LBP, HOG, histogram (docs/models.md lists them with
/// sources). Returns F finite values; F and the order are those of feature_names(). Pure function, thread-safe.
std::vector<float> extract_features(const cv::Mat& image);

/// F names, for reports.
const std::vector<std::string>& feature_names();

}  // namespace pulmo
