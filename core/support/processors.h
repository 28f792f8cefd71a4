#pragma once

#include <filesystem>
#include <vector>

namespace pulmo {

/// Processors that this process may run on (sched_getaffinity(2)), in increasing order.
std::vector<int> allowed_processors();

/// How many threads of this process can work at once, at least 1: the processors that it may run on, or fewer where its
/// control group, a container's or a systemd unit's, has less time than that (cgroup v2; the C++ library counts all
/// processors of the machine).
int usable_processors();
/// The same with a `cpu.max` of one's own, for tests.
int usable_processors(const std::filesystem::path& quota_file);

/// What this processor can do, in the levels of the x86-64 psABI that some loops are compiled for as well: kV3 has
/// AVX2, FMA and BMI2, kV4 the AVX-512 of servers (F, BW, CD, DQ, VL). kAny on every other processor.
enum class ProcessorLevel { kAny, kV3, kV4 };
ProcessorLevel processor_level();

}  // namespace pulmo
