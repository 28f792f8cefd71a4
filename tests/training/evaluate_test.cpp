#include "training/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/bundle.h"
#include "core/model/network.h"
#include "core/model/predictor.h"
#include "core/support/error.h"
#include "tests/support/prepared_folder.h"
#include "tests/support/temp_dir.h"
#include "training/crop.h"
#include "training/scoring.h"

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;

class EvaluateTest : public ::testing::Test {
 protected:
  EvaluateTest() { pulmo::testing::make_prepared_folder(root_ / "data", {.size_px = 16, .patients = 12}); }

  PreparedData data() const { return open_prepared(root_ / "data", false, Communicator::alone()); }
  /// What a bundle of the data says.
  BundleMetadata metadata(const PreparedData& data) const {
    BundleMetadata metadata;
    metadata.row = "proposed_cnn";
    metadata.version = "1";
    metadata.class_names = data.classes.names;
    metadata.positive_class = data.manifest.positive_class;
    metadata.spec = data.manifest.spec;
    metadata.task = data.manifest.task;
    metadata.data_digest = data.digest;
    return metadata;
  }
  std::string refusal(const BundleMetadata& metadata, const PreparedData& data) const {
    try {
      check_fits("b.pt", metadata, data, {Split::kTest});
    } catch (const InvalidInput& error) {
      return error.what();
    }
    return "";
  }

  pulmo::testing::TempDir root_;
};

TEST_F(EvaluateTest, TheGreyPlaneStandsForEachChannelOfAModelOfThree) {
  const PreparedData prepared = data();
  BundleMetadata three = metadata(prepared);
  three.channels = 3;
  const auto network = make_network({.name = "proposed_cnn", .channels = 3, .size_px = 16, .seed = 3});
  save_bundle(root_ / "three.pt", to_torchscript(*network), three);
  const auto predictor = load_predictor(root_ / "three.pt", 1);
  EXPECT_EQ(refusal(predictor->metadata(), prepared), "");

  const ImageBatch batch = read_batch(prepared.test, {0, 2}, 3);
  const ImageBatch grey = read_batch(prepared.test, {0, 2}, 1);
  ASSERT_EQ(batch.pixels.size(), 3 * grey.pixels.size());
  for (std::size_t i = 0; i < batch.pixels.size(); ++i) {
    const std::size_t sample = i / (3 * 256);
    ASSERT_EQ(batch.pixels[i], grey.pixels[sample * 256 + i % 256]) << i;
  }
  const auto scored = score(*predictor, prepared.test, Communicator::alone(), 4);
  ASSERT_EQ(scored.size(), static_cast<std::size_t>(prepared.test.size()));
  EXPECT_NEAR(scored[1].probabilities[1], predictor->predict(batch)[3], 1e-6);
}

TEST_F(EvaluateTest, RefusesAModelOfOtherCropsThanTheData) {
  PreparedData nodules = data();
  nodules.manifest.source = "lidc";
  nodules.manifest.task = "nodule";
  BundleMetadata bundle = metadata(nodules);
  bundle.crop = NoduleCrop{48.0, 0.0};
  EXPECT_EQ(refusal(bundle, nodules), "");  // the data do not say
  nodules.manifest.provenance["nodule.extent_mm"] = "48";
  EXPECT_EQ(crop_of(nodules.manifest), bundle.crop);
  EXPECT_EQ(refusal(bundle, nodules), "");
  nodules.manifest.provenance["nodule.extent_mm"] = "96";
  EXPECT_THAT(refusal(bundle, nodules), HasSubstr("trained on squares of 48.0 mm around a nodule, the data holds "
                                                  "squares of 96.0 mm"));
  nodules.manifest.shape.depth = 16;
  nodules.manifest.provenance["nodule.voxel_mm"] = "2";
  EXPECT_EQ(crop_of(nodules.manifest), (NoduleCrop{96.0, 2.0}));
}

TEST_F(EvaluateTest, DealsTheDataAsTheFoldOfTheBundleDid) {
  const PreparedData prepared = data();
  BundleMetadata bundle = metadata(prepared);
  EXPECT_FALSE(as_dealt_to(bundle, prepared));
  bundle.metrics_json = R"({"fold": "fold 2 of 3, seed 5, validation 0.2"})";
  const auto dealt = as_dealt_to(bundle, prepared);
  ASSERT_TRUE(dealt);
  EXPECT_EQ(dealt->fold, "fold 2 of 3, seed 5, validation 0.2");
  EXPECT_FALSE(as_dealt_to(bundle, *dealt));
  bundle.data_digest = "of other data";
  EXPECT_FALSE(as_dealt_to(bundle, prepared));
}

}  // namespace
}  // namespace pulmo::training
