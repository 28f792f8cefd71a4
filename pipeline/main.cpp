#include <CLI/CLI.hpp>
#include <string>

#include "core/support/command_line.h"
#include "core/support/run_main.h"
#include "core/support/version.h"
#include "pipeline/commands/commands.h"

int main(int argc, char** argv) {
  CLI::App program("Turns chest CT into checked training data: HDF5 shards, a manifest and a report.\n" +
                       std::string(pulmo::kNotice),
                   "pulmo-prepare");
  pulmo::add_program_options(program);
  const auto run = pulmo::pipeline::add_commands(program);
  return pulmo::run_main(program, argc, argv, run);
}
