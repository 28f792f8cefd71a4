#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace pulmo {

/// What every program understands beside its own options.
struct CommonOptions {
  std::filesystem::path config;        ///< --config FILE; empty when not given
  std::vector<std::string> overrides;  ///< --set key.path=value, repeatable, applied in order
  bool check = false;                  ///< --check: validate, print the effective configuration, do nothing else
};

/// Adds --config, --set and --check to a (sub)command. `options` must outlive the parse.
void add_configuration_options(CLI::App& command, CommonOptions& options);

/// Adds --version and --log-level to the program itself.
void add_program_options(CLI::App& program);

}  // namespace pulmo
