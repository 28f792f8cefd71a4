#include "pipeline/commands/prepare_options.h"

#include <malloc.h>

#include <charconv>
#include <cstdio>
#include <iostream>
#include <opencv2/core/utility.hpp>

#include "core/support/error.h"
#include "core/support/processors.h"
#include "pipeline/run/stop_signal.h"

namespace pulmo::pipeline {
namespace {

constexpr std::size_t kMaxParts = 100000;

std::size_t part_number(std::string_view text, const std::string& whole) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 || value > kMaxParts) {
    throw UsageError("--part " + whole + ": expected I/N with 1 <= I <= N");
  }
  return value;
}

/// Every slice takes the same few buffers of up to a megabyte. Returned to the system after each slice, they cost a
/// tenth of the time in page faults.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

}  // namespace

std::size_t thread_count(int threads) {
  return static_cast<std::size_t>(threads > 0 ? threads : usable_processors());
}

PrepareOptions PrepareArguments::resolved() const {
  PrepareOptions result = options;
  result.threads = thread_count(threads);
  if (part.empty()) return result;
  const auto slash = part.find('/');
  result.part = part_number(std::string_view(part).substr(0, slash), part);
  result.parts = part_number(slash == std::string::npos ? "" : std::string_view(part).substr(slash + 1), part);
  if (result.part > result.parts) throw UsageError("--part " + part + ": expected I/N with 1 <= I <= N");
  return result;
}

void add_prepare_options(CLI::App& command, PrepareArguments& arguments) {
  command.add_option("-o,--output", arguments.options.output, "Folder for shards, manifest.yaml and report.yaml")
      ->type_name("DIR")
      ->required();
  command.add_option("--threads", arguments.threads, "Worker threads; 0 for all cores; changes the speed only")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_flag("--strict", arguments.options.strict,
                   "Stop at the first broken file; without it such files are counted in report.yaml");
  command.add_flag("--force", arguments.options.force,
                   "Replace data in DIR that was prepared with another configuration");
  command
      .add_option("--part", arguments.part,
                  "Make only every N-th shard, for job arrays; `pulmo-prepare merge DIR` finishes")
      ->type_name("I/N");
  add_configuration_options(command, arguments.common);
}

void print_configuration(const YAML::Node& configuration) {
  std::cout << configuration << "\n";
}

void print_summary(const PrepareOptions& options, const std::optional<RunSummary>& summary) {
  if (!summary) {
    std::cout << "part " << options.part << " of " << options.parts
              << " is made; when all are, run\n  pulmo-prepare merge " << options.output.string() << "\n";
    return;
  }
  for (const Split which : kSplits) {
    const ManifestSplit& split = summary->manifest.split(which);
    std::string classes;
    for (const std::string& name : summary->manifest.class_names) {
      const auto count = split.counts.find(name);
      classes +=
          (classes.empty() ? "" : ", ") + std::to_string(count == split.counts.end() ? 0 : count->second) + " " + name;
    }
    std::printf("%-10s %7lld samples of %5zu patients: %s\n", std::string(to_string(which)).c_str(),
                static_cast<long long>(split.samples()), split.patients.size(), classes.c_str());
  }
  std::fflush(stdout);
  const std::string report = (options.output / "report.yaml").string();
  if (summary->problems > 0) {
    std::cout << summary->problems << " problems in the input were counted; " << report << " names them\n";
  }
  std::cout << "prepared " << options.output.string() << ", data digest " << summary->manifest.data_digest() << "\n";
}

void begin_prepare() {
  cv::setNumThreads(1);
  keep_freed_memory();
  watch_stop_signals();
}

}  // namespace pulmo::pipeline
