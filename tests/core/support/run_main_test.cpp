#include "core/support/run_main.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/support/command_line.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/version.h"

namespace pulmo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
  CommonOptions options;
  bool ran = false;
};

// The program `pulmo-x` with one subcommand `go`, as the real ones are made.
Outcome run(
    const std::vector<const char*>& arguments, const std::function<void()>& body = [] {}) {
  Outcome outcome;
  CLI::App program("A program", "pulmo-x");
  add_program_options(program);
  program.require_subcommand(1);
  add_configuration_options(*program.add_subcommand("go", "Goes"), outcome.options);
  std::vector<const char*> argv = {"pulmo-x"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  outcome.code = run_main(program, static_cast<int>(argv.size()), argv.data(), [&] {
    outcome.ran = true;
    body();
  });
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.err = ::testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(RunMain, NamesThePathThatTheSystemRefuses) {
  const Outcome outcome = run({"go"}, [] { std::cout << std::filesystem::file_size("/no/such/file"); });
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "pulmo-x: /no/such/file: No such file or directory\n");
}

TEST(RunMain, ReturnsZeroWhenTheBodyIsDone) {
  const Outcome outcome = run({"go"}, [] { std::cout << "result\n"; });
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "result\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(RunMain, HelpAndVersionAreSuccessesThatRunNothing) {
  for (const std::vector<const char*>& arguments : {std::vector<const char*>{"--help"}, {"go", "--help"}}) {
    const Outcome help = run(arguments);
    EXPECT_EQ(help.code, 0);
    EXPECT_FALSE(help.ran);
    EXPECT_THAT(help.out, HasSubstr("Usage:"));
  }
  const Outcome shown = run({"--version"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_EQ(shown.out, std::string(version()) + "\n");
}

TEST(RunMain, WrongUsageIsTwoAndPointsToTheHelp) {
  for (const std::vector<const char*>& arguments :
       {std::vector<const char*>{}, {"stop"}, {"go", "--nonsense"}, {"go", "--config"}, {"go", "--config", "/none"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_FALSE(outcome.ran);
    EXPECT_THAT(outcome.err, StartsWith("pulmo-x: "));
    EXPECT_THAT(outcome.err, HasSubstr("--help"));
  }
}

TEST(RunMain, EachKindOfErrorHasItsCodeAndOneLine) {
  const std::pair<std::function<void()>, std::pair<int, const char*>> cases[] = {
      {[] { throw InvalidInput("reason", "bad file"); }, {1, "pulmo-x: bad file\n"}},
      {[] { throw IoError("disk is full"); }, {1, "pulmo-x: disk is full\n"}},
      {[] { throw UsageError("no such key"); }, {2, "pulmo-x: no such key\n"}},
      {[] { throw Interrupted("stopped, state saved"); }, {75, "pulmo-x: stopped, state saved\n"}},
      {[] { throw std::bad_alloc(); }, {1, "pulmo-x: out of memory\n"}},
      {[] { throw std::logic_error("x"); }, {1, "pulmo-x: internal error, please report it: x\n"}},
  };
  for (const auto& [body, expected] : cases) {
    const Outcome outcome = run({"go"}, body);
    EXPECT_EQ(outcome.code, expected.first);
    EXPECT_EQ(outcome.err, expected.second);
  }
}

TEST(RunMain, OverridesAreRepeatableAndKeepTheirOrder) {
  const Outcome outcome = run({"go", "--set", "a.b=1", "--set", "c=x y"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.options.overrides, ElementsAre("a.b=1", "c=x y"));
}

TEST(RunMain, TheLogLevelIsSetAndAnUnknownOneIsWrongUsage) {
  const auto shout = [] { log_info("hello"); };
  EXPECT_EQ(run({"--log-level", "error", "go"}, shout).err, "");
  EXPECT_THAT(run({"--log-level", "info", "go"}, shout).err, HasSubstr("hello"));
  const Outcome outcome = run({"--log-level", "loud", "go"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("debug, info, warning or error"));
}

TEST(RunMainDeathTest, OutputThatCannotBeWrittenIsAnError) {
  const auto to_full_disk = [] {
    if (std::freopen("/dev/full", "w", stdout) == nullptr) std::abort();
    CLI::App program("A program", "pulmo-x");
    const char* const argv[] = {"pulmo-x"};
    std::exit(run_main(program, 1, argv, [] { std::cout << "result\n"; }));
  };
  EXPECT_EXIT(to_full_disk(), ::testing::ExitedWithCode(1), "standard output could not be written");
}

}  // namespace
}  // namespace pulmo
