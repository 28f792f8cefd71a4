// A run that is killed ten times, at random steps, by random means, ends as the run that nobody disturbed.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <set>

#include "core/support/bytes.h"
#include "tests/training/program_fixture.h"
#include "tests/training/small_run.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;
using pulmo::testing::Process;
using pulmo::testing::ProcessResult;

constexpr std::int64_t kEpochs = 60;
constexpr int kKills = 10;

/// One disturbance: at this step or the few after it, one rank gets the signal.
struct Kill {
  std::int64_t step = 0;
  int ranks = 2;   ///< of the run that it ends
  int victim = 0;  ///< rank
  int signal = SIGKILL;
};

class KillTest : public testing::SignalTest {
 protected:
  std::vector<std::string> run_command(int ranks, const std::string& name, const std::string& precision) const {
    return on_ranks(ranks, command("fit", root_ / "data", root_ / name,
                                   {"--set", "training.epochs=" + std::to_string(kEpochs), "--set",
                                    "training.precision=" + precision, "--set", "checkpoint.every_steps=2", "--set",
                                    "augmentation.flips=true", "--set", "training.ema_decay=0.9", "--set",
                                    "watch.tensorboard=false"}));
  }

  // Ten distinct steps in order, five SIGKILL and five SIGUSR1. Printed, so that a failure can be repeated.
  std::vector<Kill> draw_kills(std::uint64_t seed, const std::vector<int>& rank_counts) const {
    std::mt19937_64 random(seed);
    std::set<std::int64_t> steps;
    while (steps.size() < kKills)
      steps.insert(static_cast<std::int64_t>(random() % (kEpochs * steps_of_epoch_ - 30)) + 1);
    std::vector<Kill> kills;
    for (const std::int64_t step : steps) {
      Kill kill{step, rank_counts[random() % rank_counts.size()], 0, kills.size() % 2 == 0 ? SIGKILL : SIGUSR1};
      kill.victim = static_cast<int>(random() % static_cast<std::uint64_t>(kill.ranks));
      kills.push_back(kill);
    }
    std::shuffle(kills.begin(), kills.end(), random);  // the means; the steps stay in order
    std::vector<std::int64_t> ordered(steps.begin(), steps.end());
    for (std::size_t i = 0; i < kills.size(); ++i) kills[i].step = ordered[i];
    std::cout << "seed " << seed << ":";
    for (const Kill& kill : kills) {
      std::cout << (kill.signal == SIGKILL ? " SIGKILL" : " SIGUSR1") << " to rank " << kill.victim << " of "
                << kill.ranks << " at step " << kill.step << ";";
    }
    std::cout << std::endl;
    return kills;
  }

  // Steps done, as the newest checkpoint's name tells: "epoch-000003-step-000000004.pt".
  std::int64_t saved_steps(const std::string& name) const {
    std::int64_t most = 0;
    for (const std::string& file : CheckpointStore(root_ / name / "checkpoints", 1).names()) {
      most = std::max<std::int64_t>(most,
                                    std::stoll(file.substr(6, 6)) * steps_of_epoch_ + std::stoll(file.substr(18, 9)));
    }
    return most;
  }

  void disturb(const Kill& kill, const std::string& name, const std::string& precision) {
    Process process(run_command(kill.ranks, name, precision));
    ASSERT_NO_FATAL_FAILURE(wait_for(process, [&] { return saved_steps(name) >= kill.step; }));
    const std::vector<pid_t> ranks = ranks_of(process);
    ASSERT_EQ(ranks.size(), static_cast<std::size_t>(kill.ranks));
    ::kill(ranks[static_cast<std::size_t>(kill.victim)], kill.signal);
    const ProcessResult result = process.wait(std::chrono::seconds(60));
    if (kill.signal == SIGUSR1) {
      EXPECT_EQ(result.exit_code, 75) << result.err;
    } else {
      EXPECT_NE(result.exit_code, 0) << result.err;
    }
    ASSERT_FALSE(fs::exists(root_ / name / "bundle.pt")) << "it ended before it was disturbed";
  }

  Checkpoint last_of(const std::string& name) const {
    return *load_newest(CheckpointStore(root_ / name / "checkpoints", 1), Communicator::alone());
  }

  // Everything that a run comes to, within `tolerance`.
  void expect_same_end(const std::string& first, const std::string& second, double tolerance) const {
    const Checkpoint one = last_of(first), two = last_of(second);
    EXPECT_TRUE(one.progress.finished);
    EXPECT_TRUE(two.progress.finished);
    EXPECT_EQ(one.progress.global_step, two.progress.global_step);
    EXPECT_EQ(one.best.epoch, two.best.epoch);
    EXPECT_LE(testing::largest_difference(one.weights, two.weights), tolerance);
    EXPECT_LE(testing::largest_difference(one.moments, two.moments), tolerance);
    EXPECT_LE(testing::largest_difference(one.best_weights, two.best_weights), tolerance);
    EXPECT_LE(testing::largest_difference(one.average, two.average), tolerance);
    EXPECT_EQ(testing::count_of(read_text_file(root_ / second / "log.jsonl"), "\n"), static_cast<std::size_t>(kEpochs));
  }

  // Undisturbed on two ranks; then the same, killed on any of `rank_counts`, and ended on two.
  void kill_and_compare(std::uint64_t seed, const std::vector<int>& rank_counts, const std::string& precision,
                        double tolerance) {
    make_data();
    const ProcessResult straight = run(run_command(2, "straight", precision));
    ASSERT_EQ(straight.exit_code, 0) << straight.err;
    steps_of_epoch_ = last_of("straight").progress.global_step / kEpochs;
    ASSERT_GE(steps_of_epoch_, 4);
    for (const Kill& kill : draw_kills(seed, rank_counts))
      ASSERT_NO_FATAL_FAILURE(disturb(kill, "disturbed", precision));
    const ProcessResult rest = run(run_command(2, "disturbed", precision));
    ASSERT_EQ(rest.exit_code, 0) << rest.err;
    expect_same_end("straight", "disturbed", tolerance);
  }

  std::int64_t steps_of_epoch_ = 0;
};

// One thread and always two ranks: sums are added in one order.
TEST_F(KillTest, OnTheSameRanksItEndsInTheSameWeightsBitForBit) {
  kill_and_compare(20, {2}, "fp32", 0.0);
}

// On one, two and three ranks sums are added in other orders; in double precision that stays far below the tolerance
// over the run.
TEST_F(KillTest, OnOtherRanksItEndsInTheSameWeightsUpToTheOrderOfSums) {
  kill_and_compare(21, {1, 2, 3}, "fp64", 1e-8);
}

}  // namespace
}  // namespace pulmo::training
