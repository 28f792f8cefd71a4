#include "training/evaluation/faithfulness_file.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "tests/support/temp_dir.h"
#include "tests/training/evaluation/some_faithfulness.h"

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class FaithfulnessFileTest : public ::testing::Test {
 protected:
  Faithfulness read_back(const std::string& text) const {
    write_file_atomically(file_, text);
    return read_faithfulness(file_);
  }

  // The message of the refusal of the file after `damage`.
  std::string refusal(const std::function<void(Json&)>& damage) const {
    Json json = Json::parse(to_json(testing::some_faithfulness()));
    damage(json);
    return refusal(json.dump());
  }
  std::string refusal(const std::string& text) const {
    try {
      read_back(text);
    } catch (const InvalidInput& error) {
      EXPECT_EQ(error.reason(), "faithfulness");
      EXPECT_THAT(error.what(), HasSubstr(file_.string()));
      EXPECT_THAT(error.what(), HasSubstr("delete it, or measure again"));
      return error.what();
    }
    return "accepted";
  }

  const pulmo::testing::TempDir folder_;
  const std::filesystem::path file_ = folder_ / "faithfulness.json";
};

TEST_F(FaithfulnessFileTest, WhatWasWrittenIsReadBack) {
  const Faithfulness written = testing::some_faithfulness();
  const Faithfulness read = read_back(to_json(written));
  EXPECT_EQ(to_json(read), to_json(written));
  EXPECT_EQ(read.fold, "fold 2 of 5, seed 0, validation 0.125");
  EXPECT_EQ(read.facts.patients, 3U);
  ASSERT_EQ(read.curves.size(), 3U);
  EXPECT_EQ(read.curves[0].deletion, written.curves[0].deletion);
  EXPECT_TRUE(std::isnan(read.methods[2].inside.mean));
}

TEST_F(FaithfulnessFileTest, AFileOfBeforeThereWereCurvesIsRead) {
  const Faithfulness written = testing::some_faithfulness();
  const Faithfulness read = read_back(to_json(written.facts, written.methods));
  EXPECT_TRUE(read.curves.empty());
  EXPECT_TRUE(read.fold.empty());
  EXPECT_EQ(read.methods.size(), 3U);
}

TEST_F(FaithfulnessFileTest, ADamagedFileIsRefusedByNameAndField) {
  EXPECT_THAT(refusal("{\"row\": \"proposed_"), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal("[]"), HasSubstr("no JSON object"));
  const std::vector<std::pair<std::function<void(Json&)>, std::string>> damages = {
      {[](Json& json) { json.erase("bundle_sha256"); }, "'bundle_sha256' is missing"},
      {[](Json& json) { json["bundle_sha256"] = "abc"; }, "'bundle_sha256' is no SHA-256"},
      {[](Json& json) { json["samples"] = -3; }, "'samples' is no count"},
      {[](Json& json) { json["samples"] = 100; }, "do not fit each other"},
      {[](Json& json) { json["steps"] = 0; }, "'steps' is 0"},
      {[](Json& json) { json["phantom"] = "no"; }, "'phantom' is neither"},
      {[](Json& json) { json["bootstrap"] = 3; }, "'resamples' is missing"},
      {[](Json& json) { json["methods"] = Json::array(); }, "'methods' is no list"},
      {[](Json& json) { json["methods"][0] = 1; }, "'name' is missing"},
      {[](Json& json) { json["methods"].erase(2); }, "the baseline 'centre' is missing"},
      {[](Json& json) { json["methods"][1]["name"] = "grad_cam"; }, "twice"},
      {[](Json& json) { json["methods"][0]["n"] = 1; }, "the counts of 'grad_cam'"},
      {[](Json& json) { json["methods"][0]["deletion"]["mean"] = 1.5; }, "'deletion.mean' is 1.5, outside [0, 1]"},
      {[](Json& json) { json["methods"][0]["inside"]["interval"] = {0.2}; }, "'inside.interval' is no pair"},
      {[](Json& json) {
         json["methods"][0]["insertion"]["interval"] = {0.9, 0.1};
       },
       "from low to high"},
      {[](Json& json) { json["methods"][0]["curves"]["deletion"].erase(3); }, "has not the 21 points"},
      {[](Json& json) { json["methods"][0]["curves"]["insertion"][4] = "x"; }, "'curves.insertion' is no number"},
      {[](Json& json) { json["methods"][0].erase("curves"); }, "some methods have curves"}};
  for (const auto& [damage, what] : damages) EXPECT_THAT(refusal(damage), HasSubstr(what));
}

}  // namespace
}  // namespace pulmo::training
