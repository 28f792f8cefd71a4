#include "core/model/features.h"

#include "core/model/features/feature_list.h"
#include "core/model/features/intensity.h"
#include "core/model/features/regions.h"
#include "core/model/features/texture.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

features::FeatureList extract(const cv::Mat& image) {
  const cv::Mat lungs = image > 0;  // preprocessing sets everything else to 0
  features::FeatureList list;
  features::add_lung_shape(list, image, lungs);
  features::add_bright_spots(list, image, lungs);
  features::add_blobs(list, image, lungs);
  features::add_cooccurrence(list, image, lungs);
  features::add_binary_patterns(list, image, lungs);
  features::add_gradients(list, image);
  features::add_histogram(list, image, lungs);
  return list;
}

}  // namespace

std::vector<float> extract_features(const cv::Mat& image) {
  if (image.type() != CV_16UC1 || image.empty() || image.rows != image.cols) {
    throw InvalidInput("shape", "features need a square one-channel image of 16 bits, got " +
                                    std::to_string(image.rows) + "x" + std::to_string(image.cols) + " with " +
                                    std::to_string(image.channels()) + " channels");
  }
  // Filters would look past the border of a part of a larger picture.
  return extract(image.isSubmatrix() ? image.clone() : image).values;
}

const std::vector<std::string>& feature_names() {
  static const std::vector<std::string> names = extract(cv::Mat::zeros(16, 16, CV_16UC1)).names;
  return names;
}

}  // namespace pulmo
