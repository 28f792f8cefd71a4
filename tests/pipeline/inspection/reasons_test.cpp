#include "pipeline/inspection/reasons.h"

#include <gmock/gmock.h>

#include <regex>

#include "core/support/bytes.h"
#include "tests/support/test_paths.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using ::testing::Not;

/// Reasons that end a command instead of being counted.
const std::set<std::string> kNeverCounted = {
    "configuration",    "csv",    "manifest", "montage", "no_annotations", "no_input", "output",
    "output_not_empty", "report", "shard",    "spec",    "split",          "verify",   "no_samples"};

std::set<std::string> reasons_in_sources() {
  const std::regex call(
      R"re((?:InvalidInput|refuse|problem|note|left_out|problems\.add|notes\.add|left_out\.add)\(\s*(?:Scope::k\w+,\s*)?"([a-z0-9_]+)")re");
  const std::regex verdict(R"re((?:kLeftOut, |return |\? )"([a-z]+_[a-z0-9_]+)")re");
  std::set<std::string> reasons;
  const auto collect = [&](const std::string& text, const std::regex& pattern) {
    for (auto it = std::sregex_iterator(text.begin(), text.end(), pattern); it != std::sregex_iterator(); ++it) {
      reasons.insert((*it)[1]);
    }
  };
  for (const char* folder : {"pipeline/input", "pipeline/lidc", "pipeline/plan", "pipeline/run", "core/image"}) {
    for (const auto& item : fs::recursive_directory_iterator(testing::source_dir() / folder)) {
      if (item.path().extension() != ".cpp" || item.path().filename() == "prepare_config.cpp") continue;
      const std::string text = read_text_file(item.path());
      collect(text, call);
      if (std::string(folder) == "pipeline/lidc") collect(text, verdict);
    }
  }
  return reasons;
}

TEST(ExplainReason, KnowsEveryReasonThatTheSourcesCount) {
  const std::set<std::string> reasons = reasons_in_sources();
  EXPECT_GT(reasons.size(), 50U);
  for (const std::string& reason : reasons) {
    if (kNeverCounted.count(reason) > 0) continue;
    EXPECT_THAT(explain_reason(reason), Not(IsEmpty())) << reason;
  }
}

TEST(ExplainReason, NamesTheClassAndTheModality) {
  EXPECT_EQ(explain_reason("no_lung_malignant"), "Would have been malignant, but no lung was found in it.");
  EXPECT_EQ(explain_reason("modality_dx"), "Of another modality than CT: DX.");
  EXPECT_EQ(explain_reason("modality_unknown"), "Does not say how it was made (no modality).");
}

TEST(ExplainReason, SaysNothingOfWordsItDoesNotKnow) {
  EXPECT_EQ(explain_reason("no_such_reason_at_all"), "");
  EXPECT_EQ(explain_reason(""), "");
}

}  // namespace
}  // namespace pulmo::pipeline
