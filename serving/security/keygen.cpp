#include "serving/security/keygen.h"

#include <iostream>

#include "serving/security/api_keys.h"

namespace pulmo::serving {

CLI::App* add_keygen_command(CLI::App& program, KeygenArguments& arguments) {
  CLI::App* command = program.add_subcommand("keygen", "Makes an API key (security.keys_file)");
  command->add_option("--name", arguments.name, "Whose key it is: letters, digits, dots, dashes, underscores")
      ->required();
  return command;
}

void keygen(const KeygenArguments& arguments) {
  const std::string key = make_api_key();
  std::cout << key_line(arguments.name, key) << "\n";
  std::cerr << "the key, which is shown only now: " << key << "\n"
            << "The line on standard output goes into the file that security.keys_file names.\n";
}

}  // namespace pulmo::serving
