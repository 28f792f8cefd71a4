#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/image/preprocess.h"
#include "core/model/reference.h"

namespace pulmo {

inline constexpr int kBundleFormatVersion = 4;

/// What the module of a bundle takes.
enum class BundleInput {
  kImage,     ///< (N,C,H,W), with a depth (N,C,D,H,W), float32 in [0, 1]
  kFeatures,  ///< (N,F) float32: extract_features() of each image (classical rows)
};

/// What a model of nodules was shown of each: a square, or a cube of voxels, of that extent around its centre.
struct NoduleCrop {
  double extent_mm = 0.0;
  double voxel_mm = 0.0;  ///< side of a cube's voxels; 0 of a square, which has the slice's pixels

  bool operator==(const NoduleCrop&) const = default;
};

/// "squares of 48 mm", "cubes of 32 mm in voxels of 2 mm".
std::string text_of(const NoduleCrop& crop);

/// The metadata of a bundle, stored as `pulmo.json` inside the TorchScript file.
struct BundleMetadata {
  std::string row;      ///< row of the comparison table: "proposed_cnn", "svm", "majority"
  std::string version;  ///< of the model: "1" unless the run says otherwise
  BundleInput input = BundleInput::kImage;
  std::int64_t channels = 1;
  std::int64_t depth = 0;  ///< D of a model of volumes; 0: it takes slices. Not 0 from format version 3 on
  std::vector<std::string> class_names;  ///< K
  std::string positive_class;
  PreprocessSpec spec;
  double threshold = 0.5;    ///< operating point on p(positive), chosen on validation
  double temperature = 1.0;  ///< logits are divided by it before the softmax, chosen on validation
  bool phantom = false;      ///< trained on the synthetic phantom
  std::string task;
  std::string data_digest;
  std::string created;  ///< UTC, ISO 8601
  std::string pulmo_version;
  std::string metrics_json;                      ///< the run's metrics.json, "{}" when there is none
  std::optional<ReferenceStatistics> reference;  ///< of the validation part; from format version 2 on
  std::optional<NoduleCrop> crop;                ///< unknown, or none, where it is missing; from format version 4 on
};

}  // namespace pulmo
