#include "serving/process_metrics.h"

#include <prometheus/metric_family.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace pulmo::serving {
namespace {

struct ProcessState {
  double start_time_s = 0.0;  ///< since the epoch
  double virtual_bytes = 0.0;
  double resident_bytes = 0.0;
  double threads = 0.0;
};

double boot_time_s() {
  std::ifstream file("/proc/stat");
  std::string key;
  while (file >> key) {
    double value = 0.0;
    if (key == "btime" && file >> value) return value;
    std::getline(file, key);
  }
  return 0.0;
}

/// proc(5): the fields of /proc/self/stat after the name in brackets, which may hold anything.
ProcessState read_state() {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::vector<std::string> words;
  for (std::string word; fields >> word;) words.push_back(word);
  ProcessState state;
  if (words.size() < 22) return state;
  state.threads = std::stod(words[17]);
  state.start_time_s = boot_time_s() + std::stod(words[19]) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  state.virtual_bytes = std::stod(words[20]);
  state.resident_bytes = std::stod(words[21]) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return state;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double open_descriptors() {
  std::error_code ignored;
  double count = 0.0;
  for (auto entry = std::filesystem::directory_iterator("/proc/self/fd", ignored);
       entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
    count += 1.0;
  }
  return count;
}

double max_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

prometheus::MetricFamily family(const char* name, const char* help, double value, bool counter = false) {
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  metric.counter.value = value;
  return {name, help, counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge, {metric}};
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  const ProcessState state = read_state();
  return {family("process_cpu_seconds_total", "Processor time used, user and system", cpu_seconds(), true),
          family("process_resident_memory_bytes", "Memory in use", state.resident_bytes),
          family("process_virtual_memory_bytes", "Address space in use", state.virtual_bytes),
          family("process_open_fds", "Open file descriptors", open_descriptors()),
          family("process_max_fds", "Most file descriptors that may be open", max_descriptors()),
          family("process_threads", "Threads", state.threads),
          family("process_start_time_seconds", "Start of the process, since the epoch", state.start_time_s)};
}

}  // namespace pulmo::serving
