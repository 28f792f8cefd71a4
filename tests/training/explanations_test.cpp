// How rows decide: weights of slices, and whether explanations are faithful, from bundles in the folders of a run.
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/model/bundle.h"
#include "core/model/network.h"
#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/support/bundle_fixture.h"
#include "tests/training/small_run.h"
#include "training/attention_pictures.h"
#include "training/folds.h"
#include "training/row_faithfulness.h"
#include "training/scoring.h"

namespace pulmo::training {
namespace {

using testing::SmallRun;

constexpr std::int64_t kDepth = 5;

/// Patients of six slices: groups of three.
class ExplanationsTest : public ::testing::Test {
 protected:
  const Communicator alone_ = Communicator::alone();
  const SmallRun run_{alone_, {.size_px = 32, .patients = 12, .samples_per_patient = 6}};
  const PreparedData& data_ = run_.data();

  // `seed` of the row's bundle there.
  Round round(const PreparedData& data, const std::string& name, const std::string& row, std::uint64_t seed = 1) const {
    const Round made{data, run_.folder(name)};
    std::filesystem::create_directories(made.folder / row);
    const std::int64_t depth = row == "proposed_cnn" ? 0 : kDepth;
    const pulmo::testing::TestBundleOptions options{.network = row, .depth = depth, .seed = seed};
    pulmo::testing::write_test_bundle(made.folder / row / "bundle.pt", options);
    if (row == "slice_attention") write_attentive_bundle(made.folder / row / "bundle.pt", options);
    return made;
  }

  // Never trained, a network sees hardly a difference between slices; made so large that it weighs them unlike.
  static void write_attentive_bundle(const std::filesystem::path& path,
                                     const pulmo::testing::TestBundleOptions& options) {
    NetworkOptions made;
    made.name = options.network;
    made.depth = options.depth;
    made.size_px = options.size_px;
    made.seed = options.seed;
    const auto network = make_network(made);
    const torch::NoGradGuard fixed;
    for (auto& parameter : network->named_parameters()) {
      if (parameter.key().rfind("attention.", 0) == 0) parameter.value().mul_(1e4);
    }
    save_bundle(path, to_torchscript(*network), pulmo::testing::test_bundle_metadata(options));
  }

  // Hand-made: each second group is decided wrongly.
  static ComparedRow compared(const std::string& name, const std::vector<Round>& rounds) {
    ComparedRow row;
    row.report.facts.row = name;
    row.report.facts.classes = rounds.front().data.classes;
    for (std::size_t fold = 0; fold < rounds.size(); ++fold) {
      row.report.facts.folds.emplace_back();
      const Dataset& test = rounds[fold].data.test;
      for (std::int64_t i = 0; i < test.size(); ++i) {
        const bool right = test.group(i).ends_with("group-1");
        const double p = (test.label(i) == 1) == right ? 0.9 : 0.1;
        row.test.push_back({test.patient(i), test.group(i), test.instance(i), test.label(i), {1.0 - p, p}, fold});
      }
    }
    return row;
  }

  // What the bundle of this round says of the group's stack.
  static std::vector<double> weights_of(const Round& round, const Prediction& sample) {
    const auto predictor = load_predictor(round.folder / "slice_attention/bundle.pt");
    const Dataset stacks = round.data.test.stacked(kDepth);
    for (std::int64_t i = 0; i < stacks.size(); ++i) {
      if (stacks.patient(i) != sample.patient || stacks.group(i) != sample.group) continue;
      return predictor->slice_weights(read_batch(stacks, {i, i + 1}, predictor->metadata().channels));
    }
    return {};
  }

  static void expect_weights(const ComparedRow& row, const std::vector<Round>& rounds) {
    for (const AttentionCase& one : row.attention) {
      const Prediction& sample = row.test[one.index];
      const std::vector<double> weights = weights_of(rounds[sample.fold], sample);
      ASSERT_EQ(weights.size(), static_cast<std::size_t>(kDepth));
      ASSERT_EQ(one.slices.size(), 3U);  // the empty ones above and below are no slices
      double sum = 0.0;
      for (std::size_t i = 0; i < one.slices.size(); ++i) {
        EXPECT_NEAR(one.slices[i].weight, weights[i + 1], 1e-6);
        EXPECT_EQ(one.slices[i].picture.rfind("data:image/png;base64,", 0), 0U);
        sum += one.slices[i].weight;
      }
      EXPECT_NEAR(sum, 1.0, 1e-6);
      const auto [least, most] = std::minmax_element(weights.begin() + 1, weights.end() - 1);
      EXPECT_GT(*most - *least, 1e-3);
    }
  }
};

TEST_F(ExplanationsTest, EverySliceOfAGroupIsShownWithItsWeight) {
  const std::vector<Round> rounds = {round(data_, "one", "slice_attention")};
  ComparedRow row = compared("slice_attention", rounds);
  draw_attention(row, rounds);
  EXPECT_GE(row.attention.size(), 4U);
  EXPECT_EQ(row.attention.front().label, 1);
  EXPECT_EQ(row.attention.front().decision, 1);
  EXPECT_NE(row.attention.back().label, row.attention.back().decision);
  expect_weights(row, rounds);
}

TEST_F(ExplanationsTest, EachFoldsGroupsAreWeighedByItsOwnBundle) {
  const FoldOptions folds{2, 0.25, 0};
  const std::vector<Round> rounds = {round(fold_of(data_, folds, 0), "1", "slice_attention", 1),
                                     round(fold_of(data_, folds, 1), "2", "slice_attention", 2)};
  ComparedRow row = compared("slice_attention", rounds);
  // All of the first fold are decided rightly with less certainty: the wrong cases are of the second.
  for (Prediction& one : row.test) {
    if (one.fold == 0) one.probabilities = {one.label == 0 ? 0.8 : 0.2, one.label == 0 ? 0.2 : 0.8};
    if (one.fold == 1) one.probabilities = {one.label == 0 ? 0.3 : 0.7, one.label == 0 ? 0.7 : 0.3};
  }
  draw_attention(row, rounds);
  ASSERT_EQ(row.attention.size(), 6U);
  EXPECT_EQ(row.test[row.attention.front().index].fold, 0U);
  expect_weights(row, rounds);
}

TEST_F(ExplanationsTest, RowsThatWeighNoSlicesAreLeft) {
  for (const std::string name : {"cnn3d", "proposed_cnn"}) {
    const std::vector<Round> rounds = {round(data_, "other", name)};
    ComparedRow row = compared(name, rounds);
    draw_attention(row, rounds);
    EXPECT_TRUE(row.attention.empty()) << name;
  }
}

class RowFaithfulnessTest : public ExplanationsTest {
 protected:
  const std::filesystem::path folder_ = round(data_, "run", "proposed_cnn").folder / "proposed_cnn";
  const std::filesystem::path file_ = folder_ / kFaithfulnessFile;
  const BootstrapOptions bootstrap_{20, 0.95, 0};
};

double area_under(const std::vector<double>& curve) {
  const double ends = 0.5 * (curve.front() + curve.back());
  return (std::accumulate(curve.begin(), curve.end(), 0.0) - ends) / static_cast<double>(curve.size() - 1);
}

TEST_F(RowFaithfulnessTest, TheMeanCurvesHaveTheMeanAreas) {
  const Faithfulness measured = made_faithfulness(folder_, data_, 3, bootstrap_);
  ASSERT_EQ(measured.curves.size(), measured.methods.size());
  for (std::size_t i = 0; i < measured.methods.size(); ++i) {
    const MethodCurves& curves = measured.curves[i];
    ASSERT_EQ(curves.deletion.size(), static_cast<std::size_t>(kCurveSteps + 1));
    EXPECT_NEAR(area_under(curves.deletion), measured.methods[i].deletion.mean, 1e-9);
    EXPECT_NEAR(area_under(curves.insertion), measured.methods[i].insertion.mean, 1e-9);
    // One begins, the other ends with the picture as it is.
    EXPECT_NEAR(curves.deletion.front(), curves.insertion.back(), 1e-6);
    EXPECT_NEAR(curves.deletion.front(), measured.curves.front().deletion.front(), 1e-6);
  }
  EXPECT_EQ(to_json(read_faithfulness(file_)), read_text_file(file_));
}

TEST_F(RowFaithfulnessTest, IsMeasuredOnceUnlessOnMoreSamples) {
  EXPECT_FALSE(fitting_faithfulness(folder_, data_.digest));
  made_faithfulness(folder_, data_, 2, bootstrap_);
  auto json = nlohmann::json::parse(read_text_file(file_));
  json["fold"] = "marked";
  write_file_atomically(file_, json.dump());
  EXPECT_EQ(made_faithfulness(folder_, data_, 2, bootstrap_).fold, "marked");
  const Faithfulness again = made_faithfulness(folder_, data_, 3, bootstrap_);
  EXPECT_EQ(again.fold, "");
  EXPECT_EQ(again.facts.samples, 3U);
  EXPECT_EQ(fitting_faithfulness(folder_, data_.digest)->facts.samples, 3U);
}

TEST_F(RowFaithfulnessTest, ARowOfVolumesIsMeasuredOnTheStacksOfItsGroups) {
  const std::filesystem::path folder = round(data_, "volumes", "cnn3d").folder / "cnn3d";
  const Faithfulness measured = made_faithfulness(folder, data_, 1000, bootstrap_);
  EXPECT_EQ(measured.facts.depth, kDepth);
  EXPECT_EQ(measured.facts.samples, static_cast<std::size_t>(data_.test.stacked(kDepth).size()));
  EXPECT_EQ(measured.facts.of, measured.facts.samples);

  // Not again, although there are more slices than stacks.
  auto json = nlohmann::json::parse(read_text_file(folder / kFaithfulnessFile));
  json["fold"] = "marked";
  write_file_atomically(folder / kFaithfulnessFile, json.dump());
  EXPECT_EQ(made_faithfulness(folder, data_, 1000, bootstrap_).fold, "marked");

  // As it was written before pulmo showed such rows their stacks.
  json.erase("depth");
  write_file_atomically(folder / kFaithfulnessFile, json.dump());
  EXPECT_FALSE(fitting_faithfulness(folder, data_.digest));
}

TEST_F(RowFaithfulnessTest, OfAnotherBundleOrOtherDataIsPassedOver) {
  made_faithfulness(folder_, data_, 1, bootstrap_);
  EXPECT_FALSE(fitting_faithfulness(folder_, std::string(64, '1')));
  pulmo::testing::write_test_bundle(folder_ / "bundle.pt", {.seed = 2});
  EXPECT_FALSE(fitting_faithfulness(folder_, data_.digest));
  write_file_atomically(file_, "{");
  EXPECT_THROW(fitting_faithfulness(folder_, data_.digest), InvalidInput);
}

}  // namespace
}  // namespace pulmo::training
