#pragma once

#include <filesystem>
#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

#include "core/image/preprocess.h"
#include "core/support/bytes.h"

namespace pulmo::testing {

/// One slice for tests/golden/preprocess_golden.py.
struct GoldenJob {
  std::string file;  ///< DICOM, `archive.zip!inner.dcm`, a picture, or an array that write_npy() wrote
  bool grey = false;
  PreprocessSpec spec;
};

/// What the second implementation made of it.
struct GoldenResult {
  cv::Mat pixels;  ///< (H,W) CV_32FC1
  cv::Mat image;   ///< (S,S) CV_16UC1
  cv::Mat lungs;   ///< (S,S) CV_8UC1, 0 or 1
};

/// Runs the second implementation once over all jobs. Fails the test when it does.
std::vector<GoldenResult> run_golden(const std::vector<GoldenJob>& jobs);

/// NumPy's array file (version 1.0), float32.
void write_npy(const std::filesystem::path& path, const cv::Mat& array);

/// One file of a zip archive.
Bytes read_zip_member(const std::filesystem::path& archive, const std::string& member);
/// The names in a zip archive that end in `suffix`, sorted.
std::vector<std::string> zip_members(const std::filesystem::path& archive, const std::string& suffix);

/// 2 |A and B| / (|A| + |B|); 1 when both are empty.
double dice(const cv::Mat& a, const cv::Mat& b);

/// Mean absolute difference of two (S,S) CV_16UC1 images, in [0, 1].
double mean_difference(const cv::Mat& a, const cv::Mat& b);

}  // namespace pulmo::testing
