#pragma once

#include <opencv2/core/mat.hpp>

#include "pipeline/phantom/anatomy.h"

namespace pulmo::pipeline::phantom {

/// The tissue of every pixel of a plane, (S,S) CV_8UC1 holding Tissue values: table, body wall, lungs, mediastinum,
/// upper abdomen, skeleton. Without what is drawn in finer grain: lung vessels, nodules, scars. Pure, thread-safe.
cv::Mat paint_tissues(const Anatomy& anatomy, const View& view);

/// Painters of the parts, in the order in which they are used.
void paint_body_wall(cv::Mat& tissues, const View& view, const Anatomy& anatomy);
/// Lungs above the diaphragm, liver, spleen and stomach below it.
void paint_chest_cavity(cv::Mat& tissues, const View& view, const Anatomy& anatomy);
/// The part of the liver under the heart.
void paint_left_liver_lobe(cv::Mat& tissues, const View& view, const Anatomy& anatomy);
void paint_mediastinum(cv::Mat& tissues, const View& view, const Anatomy& anatomy);

}  // namespace pulmo::pipeline::phantom
