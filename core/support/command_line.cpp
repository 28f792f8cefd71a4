#include "core/support/command_line.h"

#include <iostream>

#include "core/support/command_reference.h"
#include "core/support/log.h"
#include "core/support/version.h"

namespace pulmo {

void add_configuration_options(CLI::App& command, CommonOptions& options) {
  command.add_option("--config", options.config, "YAML configuration; see configs/ for every key")
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
  command.add_option("--set", options.overrides, "Override one configuration key; repeatable")
      ->type_name("KEY.PATH=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_flag("--check", options.check,
                   "Do nothing but validate the configuration and print it as it would be used");
}

void add_program_options(CLI::App& program) {
  program.set_version_flag("--version", std::string(version()), "Print the version and exit");
  program
      .add_option_function<std::string>(
          "--log-level", [](const std::string& name) { set_log_level(parse_log_level(name)); },
          "debug, info, warning or error")
      ->type_name("LEVEL");
  program
      .add_option_function<std::string>(
          "--print",
          [&program](const std::string& name) {
            std::cout << command_reference(program, name);
            throw CLI::Success();
          },
          "man-page, bash-completion or zsh-completion")
      ->group("");  // for packages, not for people
  program.require_subcommand(-1);
}

}  // namespace pulmo
