#include "training/evaluation/curves.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/support/atomic_file.h"
#include "core/support/seed.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"
#include "tests/training/evaluation/random_predictions.h"
#include "training/evaluation/picture.h"
#include "training/evaluation/wrong_cases.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::json;

Json json_of(const std::vector<Prediction>& predictions) {
  Json json = {{"y", Json::array()}, {"p", Json::array()}, {"curve", Json::array()}, {"bins", Json::array()}};
  for (const Prediction& one : predictions) {
    json["y"].push_back(one.label == 1 ? 1 : 0);
    json["p"].push_back(one.probabilities[1]);
  }
  for (const Point& at : precision_recall_curve(predictions, 1)) json["curve"].push_back({at.x, at.y});
  for (const ReliabilityBin& bin : reliability_bins(predictions, 1)) {
    json["bins"].push_back({bin.mean_probability, bin.positive_share, bin.share});
  }
  return json;
}

TEST(Curves, AgreeWithScikitLearnTiesIncluded) {
  const pulmo::testing::TempDir folder;
  Json cases = Json::array();
  for (const double coarse : {0.0, 0.1}) {
    cases.push_back(json_of(testing::random_predictions({.patients = 30, .coarse = coarse, .seed = 41})));
  }
  write_file_atomically(folder / "curves.json", cases.dump());
  const auto twin = pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/curves_twin.py", folder / "curves.json"});
  EXPECT_EQ(twin.exit_code, 0) << twin.out << twin.err;
}

TEST(Curves, WithoutPositivesThereIsNoPrecision) {
  EXPECT_TRUE(precision_recall_curve({{"P", "g", "i", 0, {0.5, 0.5}}}, 1).empty());
}

TEST(Picture, IsThePngThatPillowReads) {
  constexpr std::int64_t kHeight = 40, kWidth = 24;
  std::vector<std::uint16_t> pixels(kHeight * kWidth);
  Random random(derive_seed(1, "test.picture"));
  Json expected = Json::array();
  for (std::uint16_t& pixel : pixels) {
    pixel = static_cast<std::uint16_t>(random.below(65536));
    expected.push_back(pixel);
  }
  const pulmo::testing::TempDir folder;
  const Json job = {{"uri", png_data_uri(pixels, kHeight, kWidth, 40)}, {"pixels", expected}, {"size", {24, 40}}};
  write_file_atomically(folder / "picture.json", job.dump());
  const std::string script =
      "import base64, io, json, sys\nfrom PIL import Image\njob = json.load(open(sys.argv[1]))\n"
      "head, data = job['uri'].split(',')\nassert head == 'data:image/png;base64', head\n"
      "image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))\n"
      "assert (image.mode, list(image.size)) == ('L', job['size']), (image.mode, image.size)\n"
      "assert all(abs(g - p / 257) <= 0.5 for g, p in zip(image.getdata(), job['pixels']))";
  const auto reader = pulmo::testing::run_process({pulmo::testing::python(), "-c", script, folder / "picture.json"});
  EXPECT_EQ(reader.exit_code, 0) << reader.err;
}

Prediction sample(const std::string& group, int label, double positive) {
  return {"P", group, "i", label, {1.0 - positive, positive}};
}

TEST(WrongCases, AreTheWorstOfEachGroupAndClassWorstFirst) {
  RunFacts facts;
  facts.classes = {{"benign", "malignant"}, 1};
  facts.threshold = 0.5;
  const std::vector<Prediction> test = {sample("a", 0, 0.90), sample("a", 0, 0.95), sample("b", 1, 0.10),
                                        sample("c", 0, 0.60), sample("d", 0, 0.70), sample("e", 1, 0.80)};
  const auto worst = wrong_cases(test, facts, 2);
  ASSERT_EQ(worst.size(), 3U);
  EXPECT_EQ(worst[0].index, 1U);
  EXPECT_EQ(worst[0].group, 1U);
  EXPECT_EQ(worst[1].index, 2U);
  EXPECT_EQ(worst[1].decision, 0);
  EXPECT_NEAR(worst[1].probability, 0.1, 1e-12);
  EXPECT_EQ(worst[2].index, 4U);
  EXPECT_EQ(worst[2].group, 4U);
}

TEST(WrongCases, FollowTheThresholdOfTheFold) {
  RunFacts facts;
  facts.classes = {{"benign", "malignant"}, 1};
  FoldFacts low, high;
  low.threshold = 0.2;
  high.threshold = 0.8;
  facts.folds = {low, high};
  std::vector<Prediction> test = {sample("a", 0, 0.5), sample("b", 0, 0.5)};
  test[1].fold = 1;
  const auto worst = wrong_cases(test, facts, 9);
  ASSERT_EQ(worst.size(), 1U);
  EXPECT_EQ(worst[0].index, 0U);
}

}  // namespace
}  // namespace pulmo::training
