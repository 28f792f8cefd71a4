// What pulmo-train compare shows of how rows decide.
#include <nlohmann/json.hpp>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "tests/training/program_fixture.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;
using testing::count_of;
using ::testing::HasSubstr;
using ::testing::Not;

class ExplanationsProgramTest : public testing::ProgramTest {
 protected:
  std::vector<std::string> compare(const std::vector<std::string>& settings = {}) const {
    std::vector<std::string> all = {"rows=[slice_attention, proposed_cnn]", "transfer.squeezenet=none"};
    all.insert(all.end(), settings.begin(), settings.end());
    std::vector<std::string> more;
    for (const std::string& setting : all) more.insert(more.end(), {"--set", setting});
    return command("compare", data_, root_ / "run", more);
  }
  std::string page() const { return read_text_file(root_ / "run/comparison.html"); }

  const fs::path data_ = make_data({.size_px = 32, .patients = 20, .masks = true});
};

TEST_F(ExplanationsProgramTest, ThePageOfFoldsShowsAttentionAndFaithfulness) {
  const std::vector<std::string> folds = {"folds=3", "fold_validation=0.25"};
  const ProcessResult first = run(compare(folds));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const std::size_t pictures = count_of(page(), "<img alt=\"Slice 1 of 2\"");  // groups of two slices
  EXPECT_THAT(page(), HasSubstr("<h2>Attention over slices</h2>"));
  EXPECT_GE(pictures, 3U);
  EXPECT_EQ(count_of(page(), "<img alt=\"Slice 2 of 2\""), pictures);
  EXPECT_THAT(page(), Not(HasSubstr("Do explanations")));

  // From the folder of the earlier run.
  std::vector<std::string> measuring = folds;
  measuring.emplace_back("evaluation.faithfulness=3");
  const ProcessResult second = run(on_ranks(2, compare(measuring)));
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_EQ(count_of(second.err, "row taken over"), 6U) << second.err;
  EXPECT_EQ(count_of(second.err, "measuring explanations"), 2U) << second.err;
  EXPECT_EQ(count_of(page(), "<img alt=\"Slice 1 of 2\""), pictures);
  EXPECT_EQ(count_of(page(), " test samples of fold "), 1U);
  EXPECT_EQ(count_of(page(), " test samples (volumes of 7 slices) of fold "), 1U);
  EXPECT_EQ(count_of(page(), "aria-label=\"Deletion\""), 2U);
  EXPECT_THAT(page(), Not(HasSubstr("TEST-")));

  // Measured before, and shown without being asked for.
  const std::string shown = page();
  const ProcessResult third = run(compare(folds));
  ASSERT_EQ(third.exit_code, 0) << third.err;
  EXPECT_EQ(count_of(third.err, "measuring explanations"), 0U) << third.err;
  EXPECT_EQ(count_of(page(), " test samples of fold "), 1U);
  EXPECT_EQ(count_of(page(), " test samples (volumes of 7 slices) of fold "), 1U);
}

TEST_F(ExplanationsProgramTest, WhatWasMeasuredByHandIsShownIfItFitsAndIsWhole) {
  ASSERT_EQ(run(compare()).exit_code, 0);
  const fs::path row = root_ / "run/proposed_cnn";
  const fs::path file = row / "faithfulness.json";
  const ProcessResult measured = run(
      {program(), "faithfulness", "--bundle", row / "bundle.pt", "--data", data_, "--samples", "4", "--output", file});
  ASSERT_EQ(measured.exit_code, 0) << measured.err;
  const fs::path other = root_ / "run/slice_attention/faithfulness.json";
  fs::copy_file(file, other);
  const ProcessResult shown = run(compare());
  ASSERT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_EQ(count_of(page(), "4 of 16 test samples, "), 1U);
  EXPECT_THAT(shown.err, HasSubstr("faithfulness.json passed over"));

  write_file_atomically(other, read_text_file(file).substr(0, 300));
  const ProcessResult damaged = run(on_ranks(2, compare()));
  expect_refusal(damaged, other.string());
  EXPECT_THAT(damaged.err, HasSubstr("delete it, or measure again"));
}

}  // namespace
}  // namespace pulmo::training
