#include "pipeline/commands/commands.h"

#include <map>
#include <memory>
#include <string>

#include "pipeline/commands/subcommands.h"

namespace pulmo::pipeline {

std::function<void()> add_commands(CLI::App& program) {
  const auto commands = std::make_shared<std::map<std::string, std::function<void()>>>();
  (*commands)["lidc"] = add_lidc_command(program);
  (*commands)["annotations"] = add_annotations_command(program);
  (*commands)["images"] = add_images_command(program);
  (*commands)["inspect"] = add_inspect_command(program);
  (*commands)["verify"] = add_verify_command(program);
  (*commands)["merge"] = add_merge_command(program);
  (*commands)["phantom"] = add_phantom_command(program);
  program.require_subcommand(1);
  return [&program, commands] { commands->at(program.get_subcommands().front()->get_name())(); };
}

}  // namespace pulmo::pipeline
