#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace pulmo {

/// Exit codes that batch scripts rely on.
enum ExitCode : int { kExitDone = 0, kExitFailed = 1, kExitUsage = 2, kExitRunAgain = 75 };

/// The one top-level try/catch of each program: parses the command line, runs `body`, prints an error as one line
/// `program: message` on standard error and returns the exit code: 0 done (also --help, --version), 1 bad input or
/// environment, 2 wrong usage, 75 stopped by a signal with its state saved.
int run_main(CLI::App& program, int argc, const char* const* argv, const std::function<void()>& body);

}  // namespace pulmo
