#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "core/support/command_line.h"
#include "pipeline/run/prepare_run.h"

namespace pulmo::pipeline {

/// The command line options that all prepare commands share.
struct PrepareArguments {
  CommonOptions common;
  PrepareOptions options;
  int threads = 0;   ///< 0: all cores
  std::string part;  ///< "I/N"; empty: the whole

  /// Throws UsageError for a part that is none.
  PrepareOptions resolved() const;
};

void add_prepare_options(CLI::App& command, PrepareArguments& arguments);

/// All cores when `threads` is 0.
std::size_t thread_count(int threads);

/// What --check prints.
void print_configuration(const YAML::Node& configuration);

/// Prints what a run made; without a summary, how to go on.
void print_summary(const PrepareOptions& options, const std::optional<RunSummary>& summary);

/// One-time setup of a prepare command: one thread an OpenCV call (the pipeline has its own), stop signals watched.
void begin_prepare();

}  // namespace pulmo::pipeline
