#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/support/command_line.h"

namespace pulmo::serving {

/// The command line of pulmo-serve.
struct ServeArguments {
  std::filesystem::path bundle;  ///< this or `models`
  std::filesystem::path models;
  CommonOptions common;
  std::optional<std::string> host;    ///< over the configuration's
  std::optional<std::uint16_t> port;  ///< over the configuration's
};

/// Adds the options to the program. `arguments` must outlive the parse.
void add_serve_options(CLI::App& program, ServeArguments& arguments);

/// With --check prints the configuration and the models that load, and returns. Else serves until SIGTERM or SIGINT,
/// then answers what is in flight and returns; a second signal ends the process at once. SIGHUP loads the models that
/// changed on disk. Logs `listening address=http://...` when ready. Throws InvalidInput or IoError when it cannot
/// start.
void serve(const ServeArguments& arguments);

}  // namespace pulmo::serving
