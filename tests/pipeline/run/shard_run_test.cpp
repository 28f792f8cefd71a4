#include "pipeline/run/shard_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "core/support/digest.h"
#include "core/support/error.h"
#include "pipeline/run/shard_state.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

using ::testing::ElementsAre;
using testing::TempDir;

ShardInfo tiny_info() {
  ShardInfo info;
  info.shape = {1, 0, 16, 16};
  info.task = "slice";
  info.class_names = {"normal", "malignant"};
  PreprocessSpec spec;
  spec.size_px = 16;
  spec.mask = LungMasking::kNone;
  info.spec_json = spec_to_json(spec);
  info.spec_sha256 = spec_digest(spec);
  return info;
}

/// Job i gives a sample, but every seventh does not.
JobOutcome tiny_outcome(std::size_t job) {
  JobOutcome outcome;
  if (job % 7 == 3) {
    outcome.left_out.add("no_lung_normal");
    outcome.problems.add("truncated_dicom", "file " + std::to_string(job));
    return outcome;
  }
  Sample sample;
  sample.image.assign(256, static_cast<std::uint16_t>(job));
  sample.label = static_cast<std::uint8_t>(job % 2);
  sample.patient = "p" + std::to_string(job % 3);
  sample.series = sample.group = "s";
  sample.instance = std::to_string(job);
  outcome.sample = std::move(sample);
  return outcome;
}

class ShardRun : public ::testing::Test {
 protected:
  ShardRun() {
    std::filesystem::create_directory(dir_ / "state");
    options_ = {dir_.path(), dir_ / "state", 2, false};
    for (std::size_t i = 0; i < 50; ++i) jobs_[i % 5 == 0 ? 2 : 0].push_back(i);
    plans_ = cut_shards(jobs_, 15);
  }

  std::vector<ShardResult> run() {
    return run_shards(plans_, tiny_info(), options_, [this] {
      return [this](std::size_t job) {
        ++done_;
        return tiny_outcome(job);
      };
    });
  }

  TempDir dir_;
  ShardRunOptions options_;
  std::array<std::vector<std::size_t>, 3> jobs_;
  std::vector<ShardPlan> plans_;
  std::atomic<int> done_{0};
};

TEST_F(ShardRun, CutsEachPartIntoShardsOfAtMostTheAskedSize) {
  std::vector<std::string> files;
  for (const ShardPlan& plan : plans_) files.push_back(plan.file + ":" + std::to_string(plan.jobs.size()));
  EXPECT_THAT(files, ElementsAre("train-00000.h5:15", "train-00001.h5:15", "train-00002.h5:10", "test-00000.h5:10"));
}

TEST_F(ShardRun, WritesTheSamplesInTheOrderOfTheJobsAndCountsTheRest) {
  const auto results = run();
  std::vector<std::string> instances;
  for (const ShardResult& result : results) {
    const ShardReader reader(dir_ / result.shard.file);
    instances.insert(instances.end(), reader.instances().begin(), reader.instances().end());
    EXPECT_EQ(result.shard.sha256, sha256_file(dir_ / result.shard.file));
    EXPECT_EQ(result.shard.samples, reader.size());
  }
  std::vector<std::string> expected;
  for (const auto& jobs : jobs_) {
    for (const std::size_t job : jobs) {
      if (job % 7 != 3) expected.push_back(std::to_string(job));
    }
  }
  EXPECT_EQ(instances, expected);
  std::int64_t left_out = 0;
  for (const ShardResult& result : results) left_out += result.left_out.count("no_lung_normal");
  EXPECT_EQ(left_out, 7);
}

TEST_F(ShardRun, TakesFinishedShardsOverAndMakesMissingOnesAgain) {
  const auto first = run();
  EXPECT_EQ(done_.load(), 50);
  done_ = 0;
  std::filesystem::remove(dir_ / "state/train-00001.h5.yaml");  // killed before it was noted
  std::filesystem::remove(dir_ / "test-00000.h5");
  std::ofstream(dir_ / "train-00001.h5.tmp-77-0") << "half";
  const auto second = run();
  EXPECT_EQ(done_.load(), 15 + 10);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "train-00001.h5.tmp-77-0"));
  ASSERT_EQ(second.size(), first.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(second[i].shard.sha256, first[i].shard.sha256);
    EXPECT_EQ(second[i].counts, first[i].counts);
    EXPECT_EQ(second[i].patients, first[i].patients);
    EXPECT_EQ(second[i].split, first[i].split);
    EXPECT_EQ(second[i].problems.entries().size(), first[i].problems.entries().size());
    EXPECT_EQ(second[i].problems.total(), first[i].problems.total());
  }
}

TEST_F(ShardRun, MakesADamagedStateFileAgain) {
  run();
  std::ofstream(dir_ / "state/train-00000.h5.yaml") << "samples: [";
  done_ = 0;
  run();
  EXPECT_EQ(done_.load(), 15);
}

TEST_F(ShardRun, WritesNoFileForAShardWithoutSamples) {
  jobs_ = {};
  jobs_[1] = {3, 10};
  plans_ = cut_shards(jobs_, 15);
  const auto results = run();
  EXPECT_EQ(results.at(0).shard.samples, 0);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "validation-00000.h5"));
}

TEST_F(ShardRun, EndsAtTheFirstProblemWhenStrict) {
  options_.strict = true;
  try {
    run();
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "truncated_dicom");
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "state"));
  for (const auto& item : std::filesystem::directory_iterator(dir_.path())) {
    EXPECT_EQ(item.path().filename(), "state");  // no half-written shard
  }
}

TEST(ShardState, KeepsNegativeCountsAndExamples) {
  Tally tally;
  tally.add("not_drawn", "", -2);
  tally.add("gone", "first example: with colon");
  tally.add("gone", "", 4);
  const Tally back = tally_from_yaml(YAML::Load(YAML::Dump(to_yaml(tally))));
  EXPECT_EQ(back.count("not_drawn"), -2);
  EXPECT_EQ(back.count("gone"), 5);
  EXPECT_THAT(back.entries().at("gone").examples, ElementsAre("first example: with colon"));
}

}  // namespace
}  // namespace pulmo::pipeline
