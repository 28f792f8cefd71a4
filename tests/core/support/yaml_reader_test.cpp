#include "core/support/yaml_reader.h"

#include <gmock/gmock.h>

#include <fstream>

#include "core/support/error.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::ThrowsMessage;

YamlReader reader(const std::string& text) {
  return {YAML::Load(text), "file.yaml"};
}

template <typename Action>
void expect_refused(const Action& action, const std::string& message) {
  try {
    action();
    ADD_FAILURE() << "accepted; expected: " << message;
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "configuration");
    EXPECT_THAT(error.what(), HasSubstr(message));
  }
}

TEST(YamlReader, ReadsEachType) {
  YamlReader root = reader("{i: -3, r: 1e-3, whole: 2, b: true, t: words, c: two, l: [a, b], n: [1, 2.5]}");
  EXPECT_EQ(root.integer("i", 0, -10, 10), -3);
  EXPECT_EQ(root.real("r", 0, 0, 1), 1e-3);
  EXPECT_EQ(root.real("whole", 0, 0, 10), 2.0);
  EXPECT_TRUE(root.boolean("b", false));
  EXPECT_EQ(root.text("t", ""), "words");
  EXPECT_EQ(root.choice("c", "one", {"one", "two"}), "two");
  EXPECT_THAT(root.texts("l", {}), ElementsAre("a", "b"));
  EXPECT_THAT(root.reals("n", {}), ElementsAre(1.0, 2.5));
  EXPECT_NO_THROW(root.finish());
}

TEST(YamlReader, AnAbsentOrEmptyKeyReadsAsTheDefault) {
  YamlReader root = reader("empty:");
  EXPECT_EQ(root.integer("i", 5, 0, 10), 5);
  EXPECT_EQ(root.real("r", 0.5, 0, 1), 0.5);
  EXPECT_TRUE(root.boolean("b", true));
  EXPECT_EQ(root.text("empty", "fallback"), "fallback");
  EXPECT_THAT(root.texts("l", {"x"}), ElementsAre("x"));
  EXPECT_THAT(root.sections("s"), IsEmpty());
  EXPECT_FALSE(root.has("empty"));
  EXPECT_NO_THROW(root.finish());
}

TEST(YamlReader, TellsWhatItReadWithDefaultsAndReadsItBackAsTheSame) {
  const auto read = [](YamlReader root) {
    root.integer("i", 5, 0, 10);
    YamlReader inner = root.section("s");
    inner.real("r", 0.2, 0, 1);
    inner.texts("l", {"x"});
    inner.reals("n", {0.3});
    root.section("absent").boolean("b", true);
    root.text("t", "words");
    return YAML::Dump(root.effective());
  };
  const std::string text = read(reader("{i: 7, s: {n: [1, 0.1]}}"));
  EXPECT_EQ(text, "i: 7\ns:\n  r: 0.2\n  l:\n    - x\n  n:\n    - 1\n    - 0.1\nabsent:\n  b: true\nt: words");
  EXPECT_EQ(read(reader(text)), text);
}

TEST(YamlReader, AWrongTypeIsRefusedWithFileKeyAndValue) {
  YamlReader root = reader("{i: 1.5, big: 99999999999999999999, r: fast, b: 2, l: word, m: {x: 1}}");
  expect_refused([&] { root.integer("i", 0, 0, 10); }, "file.yaml: i: expected a whole number, got '1.5'");
  expect_refused([&] { root.integer("big", 0, 0, INT64_MAX); }, "file.yaml: big: expected a whole number");
  expect_refused([&] { root.real("r", 0, 0, 10); }, "file.yaml: r: expected a number, got 'fast'");
  expect_refused([&] { root.boolean("b", false); }, "file.yaml: b: expected true or false, got '2'");
  expect_refused([&] { root.texts("l", {}); }, "file.yaml: l: expected a list of texts");
  EXPECT_THAT([&] { root.texts("l", {}); }, ThrowsMessage<InvalidInput>(Not(HasSubstr("word"))));  // may be a patient
  expect_refused([&] { root.text("m", ""); }, "file.yaml: m: expected text");
  expect_refused([&] { root.section("i"); }, "file.yaml: i: expected a mapping");
  expect_refused([&] { root.sections("m"); }, "file.yaml: m: expected a list");
}

TEST(YamlReader, AValueOutOfRangeIsRefusedWithTheRange) {
  YamlReader root = reader("{i: 11, r: .nan, inf: .inf, low: -0.1, c: three}");
  expect_refused([&] { root.integer("i", 0, 0, 10); }, "file.yaml: i: 11 is outside [0, 10]");
  expect_refused([&] { root.real("r", 0, 0, 1); }, "file.yaml: r: nan is outside [0, 1]");
  expect_refused([&] { root.real("inf", 0, 0, 1); }, "file.yaml: inf: inf is outside [0, 1]");
  expect_refused([&] { root.real("low", 0, 0, 1); }, "file.yaml: low: -0.1 is outside [0, 1]");
  expect_refused([&] { root.choice("c", "one", {"one", "two"}); }, "file.yaml: c: 'three' is not one of one, two");
}

TEST(YamlReader, TheEndsOfARangeBelongToIt) {
  YamlReader root = reader("{a: 0, b: 10, c: 1.0}");
  EXPECT_EQ(root.integer("a", 5, 0, 10), 0);
  EXPECT_EQ(root.integer("b", 5, 0, 10), 10);
  EXPECT_EQ(root.real("c", 0.5, 0.0, 1.0), 1.0);
}

TEST(YamlReader, AnUnknownKeyIsRefusedWithTheKnownOnes) {
  YamlReader root = reader("training: {epoch: 5}");
  YamlReader training = root.section("training");
  training.integer("epochs", 1, 1, 10);
  training.integer("batch_size", 1, 1, 10);
  expect_refused([&] { training.finish(); }, "file.yaml: training.epoch: unknown key; known here: batch_size, epochs");
}

TEST(YamlReader, ASectionThatNobodyAskedForIsUnknown) {
  YamlReader root = reader("{known: {a: 1}, other: {b: 2}}");
  YamlReader known = root.section("known");
  known.integer("a", 0, 0, 9);
  known.finish();
  expect_refused([&] { root.finish(); }, "file.yaml: other: unknown key; known here: known");
}

TEST(YamlReader, ARequiredKeyMustBeThere) {
  YamlReader root = reader("{a: x, empty: }");
  EXPECT_EQ(root.required_text("a"), "x");
  expect_refused([&] { root.required_text("b"); }, "file.yaml: b: this key is required");
  expect_refused([&] { root.required_text("empty"); }, "file.yaml: empty: this key is required");
}

TEST(YamlReader, SectionsOfAListAreNumbered) {
  YamlReader root = reader("rows: [{name: a}, {name: [b]}]");
  std::vector<YamlReader> rows = root.sections("rows");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].text("name", ""), "a");
  expect_refused([&] { rows[1].text("name", ""); }, "file.yaml: rows[1].name: expected text");
}

TEST(YamlReader, KeysComeInFileOrder) {
  EXPECT_THAT(reader("{z: 1, a: 2, m: 3}").keys(), ElementsAre("z", "a", "m"));
  EXPECT_THAT(reader("").keys(), IsEmpty());
}

TEST(YamlReader, AKeyGivenTwiceOrNotAWordIsRefused) {
  expect_refused([] { reader("a: 1\nb: 2\na: 3\n"); }, "file.yaml: a: this key is given twice");
  expect_refused([] { reader("? [1, 2]\n: 3\n"); }, "file.yaml: ?: a key must be a single word");
}

TEST(YamlReader, ADocumentThatIsNoMappingIsRefused) {
  expect_refused([] { reader("[1, 2]"); }, "file.yaml: the document: expected a mapping");
}

class LoadYaml : public ::testing::Test {
 protected:
  YAML::Node load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    std::ofstream(dir_ / "c.yaml") << text;
    return load_yaml(dir_ / "c.yaml", overrides);
  }
  testing::TempDir dir_;
};

TEST_F(LoadYaml, OverridesReplaceAddAndNest) {
  YamlReader root(load("{a: 1, s: {x: 1, y: 2}}", {"a=2", "s.x=9", "new.deep.key=text", "s.list=[1, 2]", "a=3"}), "f");
  EXPECT_EQ(root.integer("a", 0, 0, 9), 3);  // the last one counts
  YamlReader section = root.section("s");
  EXPECT_EQ(section.integer("x", 0, 0, 9), 9);
  EXPECT_EQ(section.integer("y", 0, 0, 9), 2);
  EXPECT_THAT(section.reals("list", {}), ElementsAre(1.0, 2.0));
  EXPECT_EQ(root.section("new").section("deep").text("key", ""), "text");
}

TEST_F(LoadYaml, AValueMayHoldEqualsSigns) {
  YamlReader root(load("", {"a=b=c"}), "f");
  EXPECT_EQ(root.text("a", ""), "b=c");
}

TEST_F(LoadYaml, AnEmptyFileAndNoFileAreEmptyDocuments) {
  EXPECT_THAT(YamlReader(load(""), "f").keys(), IsEmpty());
  EXPECT_THAT(YamlReader(load_yaml(""), "f").keys(), IsEmpty());
  EXPECT_EQ(YamlReader(load_yaml("", {"a=1"}), "f").integer("a", 0, 0, 9), 1);
}

TEST_F(LoadYaml, OverridesThatMakeNoSenseAreWrongUsage) {
  EXPECT_THAT([&] { load("a: 1", {"a"}); }, ThrowsMessage<UsageError>(HasSubstr("expected key.path=value")));
  EXPECT_THAT([&] { load("a: 1", {"=1"}); }, ThrowsMessage<UsageError>(HasSubstr("expected key.path=value")));
  EXPECT_THAT([&] { load("a: 1", {"a.b=1"}); }, ThrowsMessage<UsageError>(HasSubstr("'a' is a value, not a section")));
  EXPECT_THROW(load("a: 1", {"a=[1"}), UsageError);
  EXPECT_THROW(load("a: 1", {"a..b=1"}), UsageError);
  expect_refused([&] { load("[1, 2]", {"a=1"}); }, "c.yaml: the document: expected a mapping");
}

TEST_F(LoadYaml, ASecondDocumentIsNotIgnored) {
  expect_refused([&] { load("a: 1\n---\nb: 2\n"); }, "c.yaml: it holds more than one document");
}

TEST_F(LoadYaml, TextThatIsNotYamlIsRefusedWithTheFile) {
  expect_refused([&] { load("a: [1, 2"); }, "c.yaml: not valid YAML");
  EXPECT_THAT([&] { load_yaml(dir_ / "none.yaml"); }, ThrowsMessage<IoError>(HasSubstr("none.yaml")));
}

}  // namespace
}  // namespace pulmo
