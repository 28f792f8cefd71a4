#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace pulmo::serving {

/// `pulmo-serve keygen --name NAME`.
struct KeygenArguments {
  std::string name;
};

/// Adds the command to the program. `arguments` must outlive the parse.
CLI::App* add_keygen_command(CLI::App& program, KeygenArguments& arguments);

/// Prints a new key, and the line of the keys file that lets it in. Throws UsageError for a bad name.
void keygen(const KeygenArguments& arguments);

}  // namespace pulmo::serving
