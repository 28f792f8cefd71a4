#include "core/support/log.h"

#include <gmock/gmock.h>

#include <sstream>
#include <thread>
#include <vector>

#include "core/support/error.h"

namespace pulmo {
namespace {

using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

// What one call prints, without its line end.
template <typename Action>
std::string printed(const Action& action) {
  ::testing::internal::CaptureStderr();
  action();
  std::string text = ::testing::internal::GetCapturedStderr();
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string field(const std::string& value) {
  const std::string line = printed([&] { log_info("event", {{"key", value}}); });
  return line.substr(line.find("event") + 6);
}

class Log : public ::testing::Test {
 protected:
  void TearDown() override {
    set_log_level(LogLevel::kInfo);
    set_log_rank(-1);
  }
};

TEST_F(Log, ALineHoldsTimeLevelMessageAndFields) {
  EXPECT_THAT(printed([] {
                log_info("epoch done", {{"epoch", "3"}, {"loss", "0.5"}});
              }),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info epoch done epoch=3 "
                           "loss=0.5"));
}

TEST_F(Log, LevelsAreNamed) {
  EXPECT_THAT(printed([] { log_warning("w"); }), EndsWith("Z warning w"));
  EXPECT_THAT(printed([] { log_error("e"); }), EndsWith("Z error e"));
}

TEST_F(Log, LinesBelowTheLevelAreDropped) {
  EXPECT_THAT(printed([] { log(LogLevel::kDebug, "d"); }), IsEmpty());
  set_log_level(LogLevel::kError);
  EXPECT_THAT(printed([] { log_warning("w"); }), IsEmpty());
  set_log_level(LogLevel::kDebug);
  EXPECT_THAT(printed([] { log(LogLevel::kDebug, "d"); }), EndsWith("Z debug d"));
}

TEST_F(Log, TheRankIsSaidOnceItIsKnown) {
  set_log_rank(2);
  EXPECT_THAT(printed([] { log_info("hello"); }), EndsWith("Z info rank=2 hello"));
}

TEST_F(Log, PlainValuesStayPlain) {
  EXPECT_EQ(field("data/train-00000.h5"), "key=data/train-00000.h5");
  EXPECT_EQ(field("Ærø"), "key=Ærø");
}

TEST_F(Log, ValuesWhoseEndWouldBeInDoubtAreQuoted) {
  EXPECT_EQ(field(""), "key=\"\"");
  EXPECT_EQ(field("two words"), "key=\"two words\"");
  EXPECT_EQ(field("a=b"), "key=\"a=b\"");
  EXPECT_EQ(field("say \"hi\""), "key=\"say \\\"hi\\\"\"");
  EXPECT_EQ(field("ends with \\"), "key=\"ends with \\\\\"");
}

TEST_F(Log, AValueCannotForgeALine) {
  EXPECT_EQ(field("x\n2026-01-01 error forged"), "key=\"x\\x0a2026-01-01 error forged\"");
  EXPECT_EQ(field("\x1b[31mred\x7f"), "key=\"\\x1b[31mred\\x7f\"");
  EXPECT_EQ(field("\\x0a"), "key=\"\\\\x0a\"");  // not to be taken for an escaped line end
}

TEST_F(Log, AMessageCannotForgeALine) {
  EXPECT_THAT(printed([] { log_info("a\nb"); }), EndsWith("Z info a\\x0ab"));
}

TEST_F(Log, BracesAreNoFormat) {
  EXPECT_THAT(printed([] { log_info("{} {0}", {{"k", "{}"}}); }), EndsWith("Z info {} {0} k={}"));
}

TEST_F(Log, LinesOfSeveralThreadsStayWhole) {
  const std::string text = printed([] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 100; ++i) log_info("whole line", {{"filler", std::string(200, 'x')}});
      });
    }
  });
  std::size_t lines = 0;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line); ++lines) {
    ASSERT_THAT(line, EndsWith("Z info whole line filler=" + std::string(200, 'x')));
  }
  EXPECT_EQ(lines, 400U);
}

TEST_F(Log, LevelNamesAreParsed) {
  EXPECT_EQ(parse_log_level("debug"), LogLevel::kDebug);
  EXPECT_EQ(parse_log_level("info"), LogLevel::kInfo);
  EXPECT_EQ(parse_log_level("warning"), LogLevel::kWarning);
  EXPECT_EQ(parse_log_level("error"), LogLevel::kError);
  EXPECT_THROW(parse_log_level("loud"), UsageError);
}

}  // namespace
}  // namespace pulmo
