#include "training/watch/run_curves.h"

#include <gmock/gmock.h>

#include <cmath>

#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<EpochRecord> some_epochs(std::int64_t count) {
  std::vector<EpochRecord> epochs;
  for (std::int64_t i = 1; i <= count; ++i) {
    const auto x = static_cast<double>(i);
    EpochRecord one{i, 0.7 / x, 0.6, 0.8 / x, 0.6, 0.9 - 0.1 / x, 0.001 / x, 90.0, 0.1, 10.0, 11.0, i == 2};
    epochs.push_back(one);
  }
  return epochs;
}

TEST(RunCurves, TheLogOfARunComesBackAsItWasWritten) {
  const pulmo::testing::TempDir folder;
  RunLog log(folder / "log.jsonl", 1);
  auto written = some_epochs(3);
  written[1].validation_roc_auc = NAN;
  for (const EpochRecord& epoch : written) log.append(epoch);
  const auto read = read_run_log(folder / "log.jsonl");
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[2].epoch, 3);
  EXPECT_EQ(read[2].train_loss, written[2].train_loss);
  EXPECT_EQ(read[2].learning_rate, written[2].learning_rate);
  EXPECT_TRUE(std::isnan(read[1].validation_roc_auc));
  EXPECT_TRUE(read[1].best);
  EXPECT_FALSE(read[2].outlines.has_value());
}

TEST(RunCurves, TheOutlinesOfALogComeBackToo) {
  const pulmo::testing::TempDir folder;
  RunLog log(folder / "log.jsonl", 1);
  EpochRecord written = some_epochs(1).front();
  written.outlines = {1.5, 1.25, NAN};
  log.append(written);
  const auto read = read_run_log(folder / "log.jsonl").front().outlines;
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->train_loss, 1.5);
  EXPECT_EQ(read->validation_loss, 1.25);
  EXPECT_TRUE(std::isnan(read->validation_dice));
}

TEST(RunCurves, RefuseALogWithoutEpochsAndALineThatIsNone) {
  const pulmo::testing::TempDir folder;
  write_file_atomically(folder / "empty.jsonl", "{\"epo");
  EXPECT_THROW(read_run_log(folder / "empty.jsonl"), InvalidInput);
  write_file_atomically(folder / "other.jsonl", "{\"epoch\": 1}\n");
  EXPECT_THROW(read_run_log(folder / "other.jsonl"), InvalidInput);
  EXPECT_THROW(read_run_log(folder / "nowhere.jsonl"), IoError);
}

// XML well formed; the points of a line lie where its values say, by the axes' own ticks.
TEST(RunCurves, AnotherProgramReadsTheDocument) {
  const pulmo::testing::TempDir folder;
  write_file_atomically(folder / "curves.svg", run_curves_svg(some_epochs(12), "a <run> & more"));
  const std::string script =
      "import sys, xml.etree.ElementTree as tree\n"
      "root = tree.parse(sys.argv[1]).getroot(); name = '{http://www.w3.org/2000/svg}'\n"
      "assert root.tag == name + 'svg'\n"
      "lines = [[tuple(map(float, p.split(','))) for p in one.get('points').split()] for one in root.iter(name + "
      "'polyline')]\n"
      "assert len(lines) == 6 and all(len(line) == 12 for line in lines), [len(line) for line in lines]\n"
      "loss = lines[0]\n"
      "drops = [(b[1] - a[1]) for a, b in zip(loss, loss[1:])]\n"
      "expected = [0.7 / i - 0.7 / (i + 1) for i in range(1, 12)]\n"
      "scale = drops[0] / expected[0]\n"
      "assert scale > 0 and all(abs(d - scale * e) < 0.03 for d, e in zip(drops, expected)), (drops, expected)\n"
      "steps = {round(b[0] - a[0], 1) for a, b in zip(loss, loss[1:])}\n"
      "assert len(steps) == 1 and steps.pop() > 0\n"
      "assert any(text.text == 'a <run> & more' for text in root.iter(name + 'text'))";
  const auto reader = pulmo::testing::run_process({pulmo::testing::python(), "-c", script, folder / "curves.svg"});
  EXPECT_EQ(reader.exit_code, 0) << reader.err;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// The first two epochs are of a program that did not log outlines yet, or do not know their Dice.
TEST(RunCurves, DrawTheOutlinesOfARunThatLearnsThem) {
  auto epochs = some_epochs(4);
  for (std::size_t i = 1; i < epochs.size(); ++i) epochs[i].outlines = {1.5, 1.25, 0.375};
  epochs[1].outlines->validation_dice = NAN;
  const std::string plain = run_curves_svg(some_epochs(4), "run"), outlined = run_curves_svg(epochs, "run");
  EXPECT_THAT(plain, Not(HasSubstr("outlines")));
  EXPECT_THAT(outlined, HasSubstr("Loss of outlines"));
  EXPECT_THAT(outlined, HasSubstr("Dice of outlines"));
  EXPECT_THAT(outlined, Not(HasSubstr("nan")));
  EXPECT_EQ(count_of(outlined, "<polyline"), count_of(plain, "<polyline") + 3);
}

TEST(RunCurves, DrawARunOfOneEpochAndUndefinedFigures) {
  auto epochs = some_epochs(1);
  epochs[0].validation_roc_auc = NAN;
  epochs[0].learning_rate = 0.0;
  const std::string svg = run_curves_svg(epochs, "run");
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  EXPECT_THAT(svg, HasSubstr("<circle"));
}

}  // namespace
}  // namespace pulmo::training
