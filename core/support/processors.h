#pragma once

#include <filesystem>
#include <vector>

namespace pulmo {

/// Processors that this process may run on (sched_getaffinity(2)), in increasing order.
std::vector<int> allowed_processors();

/// How many threads of this process can work at once, at least 1: the processors that it may run on, or fewer where its
/// control group, a container's for instance, has less time than that (cgroup v2, `cpu.max`; the C++ library counts all
/// processors of the machine). `quota_file` is for tests.
int usable_processors(const std::filesystem::path& quota_file = "/sys/fs/cgroup/cpu.max");

}  // namespace pulmo
