#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace pulmo::pipeline {

/// Sets up the command line of pulmo-prepare on `program`: all subcommands with their options. The returned function
/// runs the one that was chosen, after the parse. `program` must outlive it.
std::function<void()> add_commands(CLI::App& program);

}  // namespace pulmo::pipeline
