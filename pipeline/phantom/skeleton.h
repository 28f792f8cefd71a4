#pragma once

#include <opencv2/core/mat.hpp>
#include <vector>

#include "pipeline/phantom/anatomy.h"

namespace pulmo::pipeline::phantom {

/// Ribs (oblique, so that every slice cuts several), their cartilage, transverse and spinous processes.
std::vector<Tube> make_skeleton(const Anatomy& anatomy);

/// Vertebra or disc with canal and cord, sternum, collar bones, shoulder blades, then the tubes of make_skeleton().
void paint_skeleton(cv::Mat& tissues, const View& view, const Anatomy& anatomy);

/// Paints shells first, then cores, so that the joints of a chain stay open.
void paint_tubes(cv::Mat& tissues, const View& view, const std::vector<Tube>& tubes);

}  // namespace pulmo::pipeline::phantom
