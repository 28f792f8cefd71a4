#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace pulmo {

/// Texts made from a program's own command line, for packages: each option and command with its description, so that
/// none can be forgotten. Options without a group (hidden ones) are left out.

/// Manual page of section 1, in the man macros of troff.
std::string man_page(const CLI::App& program);

/// Completion of options, commands, and file names where an option takes one; to be sourced by bash.
std::string bash_completion(const CLI::App& program);

/// The same for zsh: the content of a file _PROGRAM in its $fpath.
std::string zsh_completion(const CLI::App& program);

/// One of the three by its name: man-page, bash-completion or zsh-completion. Throws UsageError for another.
std::string command_reference(const CLI::App& program, const std::string& name);

}  // namespace pulmo
