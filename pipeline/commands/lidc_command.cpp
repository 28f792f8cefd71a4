#include <memory>

#include "core/support/yaml_reader.h"
#include "pipeline/commands/prepare_options.h"
#include "pipeline/commands/subcommands.h"
#include "pipeline/run/prepare_lidc.h"

namespace pulmo::pipeline {

std::function<void()> add_lidc_command(CLI::App& program) {
  struct Arguments : PrepareArguments {
    LidcInput input;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand("lidc", "Prepare CT series with LIDC-IDRI readings");
  command
      ->add_option("-i,--input", arguments->input.images,
                   "DICOM: folders, zips or files, in any nesting; zips are read in place")
      ->type_name("PATH")
      ->required();
  command->add_option("-a,--annotations", arguments->input.annotations, "LIDC XML readings: folders, zips or files")
      ->type_name("PATH")
      ->required();
  add_prepare_options(*command, *arguments);
  command->footer(
      "Example:\n  pulmo-prepare lidc --input LIDC-IDRI/ --annotations LIDC-XML-only.zip --output data/lidc\n"
      "configs/prepare.yaml explains every configuration key; docs/prepare.md tells the whole way.");
  return [arguments] {
    begin_prepare();
    const PrepareOptions options = arguments->resolved();
    const auto& common = arguments->common;
    const std::string source = common.config.empty() ? "configuration" : common.config.string();
    const LidcConfig config = read_lidc_config(load_yaml(common.config, common.overrides), source);
    if (common.check) return print_configuration(to_yaml(config));
    print_summary(options, prepare_lidc(arguments->input, config, options));
  };
}

}  // namespace pulmo::pipeline
