#include "core/support/processors.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

namespace pulmo {
namespace {

/// Processors' worth of time in each period; infinite without a limit ("max 100000") or without control groups.
double quota_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  double time_us = 0.0;
  double period_us = 0.0;
  if (!(stream >> time_us >> period_us) || time_us <= 0.0 || period_us <= 0.0) {
    return std::numeric_limits<double>::infinity();
  }
  return time_us / period_us;
}

/// `cpu.max` of the control group that this process is in, as it is mounted here (cgroups(7)).
std::filesystem::path own_quota_file() {
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {
    if (line.rfind("0::/", 0) == 0) return "/sys/fs/cgroup" + line.substr(3) + "/cpu.max";
  }
  return {};
}

}  // namespace

std::vector<int> allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) processors.push_back(i);
    }
  }
  return processors;
}

int usable_processors(const std::filesystem::path& quota_file) {
  const double quota = std::ceil(quota_of(quota_file));
  auto allowed = static_cast<double>(allowed_processors().size());
  if (allowed == 0.0) allowed = std::thread::hardware_concurrency();  // more processors than a cpu_set_t holds
  return static_cast<int>(std::max(1.0, std::min(quota, allowed)));
}

ProcessorLevel processor_level() {
#ifdef __x86_64__
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2");
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (v3) return v4 ? ProcessorLevel::kV4 : ProcessorLevel::kV3;
#endif
  return ProcessorLevel::kAny;
}

int usable_processors() {
  return usable_processors(own_quota_file());
}

}  // namespace pulmo
