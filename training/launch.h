#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pulmo::training {

/// Looks up an environment variable; nothing when it is unset.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
/// The process's own.
Environment process_environment();

/// Whether a launcher of MPI programs (mpirun, srun with PMI) started this process. Without one MPI is not initialised
/// at all: Open MPI's singleton start needs helper programs that a plain machine may lack.
bool launched_for_mpi(const Environment& environment);

/// The rank that the launcher gave this process, before MPI is up; 0 without a launcher.
int launched_rank(const Environment& environment);

/// Throws InvalidInput("launch") when Slurm started several tasks of which each believes it is alone: Open MPI under
/// `srun` without PMIx gives N independent ranks 0 that would overwrite each other's results.
void check_launch(int world_size, const Environment& environment);

/// Compute threads for one rank. In this order: `requested` when positive; OMP_NUM_THREADS; SLURM_CPUS_PER_TASK; else
/// the allowed processors divided by the number of ranks of this machine that share them (at least 1).
int threads_for_rank(int requested, std::size_t processors, std::size_t sharing_ranks, const Environment& environment);

/// What to tell a user whose mpirun bound the ranks to part of the machine (its default: one core each); nothing when
/// all `machine` processors are used, or another launcher decided.
std::optional<std::string> binding_hint(std::size_t used, std::size_t machine, const Environment& environment);
/// Processors of this machine that are switched on.
std::size_t machine_processors();

/// Memory that is freed stays with the process: each step frees and asks for the same large blocks, which the kernel
/// would otherwise map and clear every time. Call it once, at start.
void keep_freed_memory();

}  // namespace pulmo::training
