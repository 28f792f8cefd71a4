#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/prepared_folder.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace pulmo::training::testing {

std::size_t count_of(const std::string& text, const std::string& part);

/// pulmo-train as a user starts it, on small prepared data.
class ProgramTest : public ::testing::Test {
 protected:
  using ProcessResult = pulmo::testing::ProcessResult;

  static std::string program();

  std::filesystem::path make_data(const pulmo::testing::PreparedFolderOptions& options = {.size_px = 16,
                                                                                          .patients = 12}) const;

  /// Short and small: two epochs in fp32 on one thread; what a case adds comes later and wins.
  std::vector<std::string> command(const std::string& verb, const std::filesystem::path& data,
                                   const std::filesystem::path& output,
                                   const std::vector<std::string>& more = {}) const;

  static std::vector<std::string> on_ranks(int ranks, std::vector<std::string> argv);

  static ProcessResult run(const std::vector<std::string>& argv, const std::vector<std::string>& environment = {});

  /// scikit-learn finds every figure of metrics.json in predictions.csv, to 1e-9.
  static void expect_figures_recomputed(const std::filesystem::path& folder);

  /// Exit 1 and one line that says what is wrong.
  static void expect_refusal(const ProcessResult& result, const std::string& what);

  pulmo::testing::TempDir root_;
};

/// Runs that are signalled on their way.
class SignalTest : public ProgramTest {
 protected:
  using Process = pulmo::testing::Process;

  /// Process ids of the ranks that mpirun started, in the order in which it did.
  static std::vector<pid_t> ranks_of(const Process& launcher);

  /// Waits for `what`; fails when the process ends, or half a minute passes, before.
  static void wait_for(Process& process, const std::function<bool()>& what);
};

}  // namespace pulmo::training::testing
