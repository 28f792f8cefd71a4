#include "training/evaluation/predictions_file.h"

#include <gmock/gmock.h>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/support/temp_dir.h"
#include "tests/training/evaluation/random_predictions.h"

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;

const ClassList kTwo{{"normal", "malignant"}, 1};

TEST(PredictionsFile, ReadsBackBitForBit) {
  const pulmo::testing::TempDir folder;
  auto samples = testing::random_predictions({.seed = 31});
  samples[0].instance = "a,\"b\"\nc";
  write_predictions(folder / "p.csv", kTwo, {{"validation", samples}, {"test", samples}});
  const auto back = read_predictions(folder / "p.csv", kTwo);
  ASSERT_EQ(back.size(), 2U);
  ASSERT_EQ(back[1].samples.size(), samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(back[1].samples[i].instance, samples[i].instance);
    EXPECT_EQ(back[1].samples[i].label, samples[i].label);
    EXPECT_EQ(back[1].samples[i].probabilities, samples[i].probabilities);
  }
}

TEST(PredictionsFile, HasTheColumnsThatOthersRelyOn) {
  const pulmo::testing::TempDir folder;
  write_predictions(folder / "p.csv", kTwo, {{"test", {{"P1", "g", "i", 1, {0.25, 0.75}}}}});
  EXPECT_EQ(read_text_file(folder / "p.csv"),
            "split,patient,group,instance,label,p_normal,p_malignant\ntest,P1,g,i,malignant,0.25,0.75\n");
}

TEST(PredictionsFile, RefusesDamageNamingTheRecord) {
  const pulmo::testing::TempDir folder;
  const std::string header = "split,patient,group,instance,label,p_normal,p_malignant\n";
  const auto refusal = [&](const std::string& text) -> std::string {
    write_file_atomically(folder / "p.csv", text);
    try {
      read_predictions(folder / "p.csv", kTwo);
    } catch (const InvalidInput& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal("split,patient\n"), HasSubstr("the first line must be"));
  EXPECT_THAT(refusal(header + "test,P,g,i,normal,0.5\n"), HasSubstr("record 2: has 6 fields, expected 7"));
  EXPECT_THAT(refusal(header + "test,P,g,i,cat,0.5,0.5\n"), HasSubstr("unknown label 'cat'"));
  EXPECT_THAT(refusal(header + "test,P,g,i,normal,0.5,1.5\n"), HasSubstr("'1.5' is not a probability"));
}

}  // namespace
}  // namespace pulmo::training
