#pragma once

#include <string>

namespace pulmo::pipeline {

/// From here on SIGINT and SIGTERM only set a flag; a second signal of either kind ends the program at once. The
/// programs call this, not the libraries.
void watch_stop_signals();

bool stop_requested();

/// Throws Interrupted (exit code 75) once a stop was asked for. `state` says what is on disk.
void throw_if_stopped(const std::string& state);

}  // namespace pulmo::pipeline
