#include "tests/training/program_fixture.h"

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/support/test_paths.h"

namespace pulmo::training::testing {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string ProgramTest::program() {
  return pulmo::testing::bin_dir() / "pulmo-train";
}

fs::path ProgramTest::make_data(const pulmo::testing::PreparedFolderOptions& options) const {
  pulmo::testing::make_prepared_folder(root_ / "data", options);
  return root_ / "data";
}

std::vector<std::string> ProgramTest::command(const std::string& verb, const fs::path& data, const fs::path& output,
                                              const std::vector<std::string>& more) const {
  std::vector<std::string> argv = {program(), verb, "--data", data, "--output", output};
  const std::vector<std::string> settings = {"training.epochs=2", "training.precision=fp32", "training.batch_size=8",
                                             "compute.threads=1", "evaluation.bootstrap=20"};
  for (const std::string& setting : settings) argv.insert(argv.end(), {"--set", setting});
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

std::vector<std::string> ProgramTest::on_ranks(int ranks, std::vector<std::string> argv) {
  const std::vector<std::string> launcher = {"mpirun", "-n", std::to_string(ranks)};
  argv.insert(argv.begin(), launcher.begin(), launcher.end());
  return argv;
}

pulmo::testing::ProcessResult ProgramTest::run(const std::vector<std::string>& argv,
                                               const std::vector<std::string>& environment) {
  return pulmo::testing::run_process(argv, environment);
}

void ProgramTest::expect_figures_recomputed(const fs::path& folder) {
  const auto twin = run({pulmo::testing::python(),
                         pulmo::testing::source_dir() / "tests/golden/training_statistics_twin.py", "metrics", folder});
  EXPECT_EQ(twin.exit_code, 0) << twin.out << twin.err;
}

void ProgramTest::expect_refusal(const ProcessResult& result, const std::string& what) {
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr(what));
  EXPECT_EQ(count_of(result.err, "pulmo-train: "), 1U) << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("internal error")));
}

std::vector<pid_t> SignalTest::ranks_of(const Process& launcher) {
  std::ifstream children("/proc/" + std::to_string(launcher.pid()) + "/task/" + std::to_string(launcher.pid()) +
                         "/children");
  std::vector<pid_t> ids;
  for (pid_t id = 0; children >> id;) ids.push_back(id);
  return ids;
}

void SignalTest::wait_for(Process& process, const std::function<bool()>& what) {
  for (int i = 0; i < 30000 && !what(); ++i) {
    ASSERT_TRUE(process.running()) << process.err();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(what()) << process.err();
}

}  // namespace pulmo::training::testing
