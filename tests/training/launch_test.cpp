#include "training/launch.h"

#include <gtest/gtest.h>

#include <map>

#include "core/support/error.h"
#include "core/support/processors.h"

namespace pulmo::training {
namespace {

Environment with(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(Launch, RefusesSilentSingletonsOfAStep) {
  EXPECT_THROW(check_launch(1, with({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}})), InvalidInput);
  EXPECT_THROW(check_launch(1, with({{"SLURM_STEP_ID", "0"}, {"SLURM_NTASKS", "4"}})), InvalidInput);
}

TEST(Launch, AcceptsWhatSlurmAndMpiAgreeOn) {
  EXPECT_NO_THROW(check_launch(4, with({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}})));
  EXPECT_NO_THROW(check_launch(1, with({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}})));
  EXPECT_NO_THROW(check_launch(1, with({})));
}

TEST(Launch, AcceptsOneProcessInABatchScriptOfSeveralTasks) {
  EXPECT_NO_THROW(check_launch(1, with({{"SLURM_NTASKS", "4"}})));
}

TEST(Launch, AcceptsMoreRanksThanTheStepOfTheLauncherHasTasks) {
  EXPECT_NO_THROW(check_launch(8, with({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}})));  // mpirun on 2 nodes
}

TEST(Launch, SeesTheLaunchersOfMpi) {
  EXPECT_FALSE(launched_for_mpi(with({})));
  EXPECT_TRUE(launched_for_mpi(with({{"OMPI_COMM_WORLD_SIZE", "2"}})));
  EXPECT_TRUE(launched_for_mpi(with({{"PMIX_RANK", "0"}})));
  EXPECT_EQ(launched_rank(with({{"OMPI_COMM_WORLD_RANK", "3"}})), 3);
  EXPECT_EQ(launched_rank(with({})), 0);
}

TEST(Launch, ThreadsFollowTheRequestThenTheEnvironmentThenTheProcessors) {
  EXPECT_EQ(threads_for_rank(3, 16, 2, with({{"OMP_NUM_THREADS", "5"}})), 3);
  EXPECT_EQ(threads_for_rank(0, 16, 2, with({{"OMP_NUM_THREADS", "5"}, {"SLURM_CPUS_PER_TASK", "4"}})), 5);
  EXPECT_EQ(threads_for_rank(0, 16, 2, with({{"SLURM_CPUS_PER_TASK", "4"}})), 4);
  EXPECT_EQ(threads_for_rank(0, 16, 2, with({})), 8);
  EXPECT_EQ(threads_for_rank(0, 2, 4, with({})), 1);
  EXPECT_EQ(threads_for_rank(0, 8, 1, with({{"OMP_NUM_THREADS", "nonsense"}})), 8);
}

TEST(Launch, HintsAtProcessorsThatMpirunLeavesIdle) {
  for (const char* name : {"OMPI_MCA_orte_bound_at_launch", "PRTE_LAUNCHED"}) {
    const Environment bound = with({{name, "1"}});
    EXPECT_NE(binding_hint(2, 16, bound).value_or("").find("--bind-to none"), std::string::npos);
    EXPECT_FALSE(binding_hint(16, 16, bound).has_value());
  }
  EXPECT_FALSE(binding_hint(2, 16, with({})).has_value());
}

TEST(Launch, ThisProcessMayRunSomewhere) {
  EXPECT_FALSE(allowed_processors().empty());
  EXPECT_GE(machine_processors(), allowed_processors().size());
}

}  // namespace
}  // namespace pulmo::training
