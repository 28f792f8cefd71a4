#pragma once

#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/image/preprocess.h"

namespace pulmo::pipeline {

/// The values of a continuous or cropped matrix, row-major. (H,W) CV_16UC1 or CV_8UC1.
std::vector<std::uint16_t> image_values(const cv::Mat& image);
std::vector<std::uint8_t> mask_values(const cv::Mat& mask);

/// preprocess(), whose refusals name the file.
PreprocessedSlice preprocess_of_file(const Slice& slice, const PreprocessSpec& spec, const std::string& file);

/// Brings a counting mask of the original slice, (H,W) CV_8UC1, to (S,S): at each level k the area of "at least k" is
/// resized by preprocess_mask(), so that counts never blend to values between.
cv::Mat preprocess_counts(const cv::Mat& counts, const PreprocessSpec& spec);

}  // namespace pulmo::pipeline
