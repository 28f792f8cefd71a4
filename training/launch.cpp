#include "training/launch.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "core/support/error.h"

namespace pulmo::training {
namespace {

std::optional<int> positive_number(const std::optional<std::string>& text) {
  int value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc()) return std::nullopt;
  return value > 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

bool launched_for_mpi(const Environment& environment) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"}) {
    if (environment(name)) return true;
  }
  return false;
}

int launched_rank(const Environment& environment) {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    if (const auto rank = environment(name)) return positive_number(rank).value_or(0);
  }
  return 0;
}

void check_launch(int world_size, const Environment& environment) {
  // SLURM_NTASKS alone also stands in a batch script outside any step, where one process is what was asked for.
  const bool in_step = environment("SLURM_STEP_ID").has_value();
  const auto step_tasks = positive_number(environment("SLURM_STEP_NUM_TASKS"));
  const auto tasks = step_tasks ? step_tasks : in_step ? positive_number(environment("SLURM_NTASKS")) : std::nullopt;
  if (world_size == 1 && tasks.value_or(1) > 1) {
    throw InvalidInput("launch", "Slurm started " + std::to_string(*tasks) +
                                     " tasks but MPI sees one rank: start with `srun --mpi=pmix` or `mpirun`");
  }
}

int threads_for_rank(int requested, std::size_t processors, std::size_t sharing_ranks, const Environment& environment) {
  if (requested > 0) return requested;
  for (const char* name : {"OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"}) {
    if (const auto value = positive_number(environment(name))) return *value;
  }
  return static_cast<int>(std::max<std::size_t>(1, processors / std::max<std::size_t>(1, sharing_ranks)));
}

std::optional<std::string> binding_hint(std::size_t used, std::size_t machine, const Environment& environment) {
  const bool by_mpirun = environment("OMPI_MCA_orte_bound_at_launch").has_value() ||  // Open MPI 4
                         environment("PRTE_LAUNCHED").has_value();                    // Open MPI 5
  if (!by_mpirun || used >= machine) return std::nullopt;
  return "mpirun bound the ranks to " + std::to_string(used) + " of " + std::to_string(machine) +
         " processors: add --bind-to none, or --map-by slot:PE=N, to use the rest";
}

std::size_t machine_processors() {
  return static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

void keep_freed_memory() {
  constexpr int kGrowBytes = 64 << 20;  // more than is asked for, whenever the heap grows
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
  ::mallopt(M_TOP_PAD, kGrowBytes);
}

}  // namespace pulmo::training
