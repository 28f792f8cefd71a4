#include <memory>

#include "core/support/yaml_reader.h"
#include "pipeline/commands/prepare_options.h"
#include "pipeline/commands/subcommands.h"
#include "pipeline/run/prepare_images.h"

namespace pulmo::pipeline {

std::function<void()> add_images_command(CLI::App& program) {
  struct Arguments : PrepareArguments {
    std::filesystem::path manifest;
  };
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand("images", "Prepare PNG, JPEG or DICOM slices listed in a CSV file");
  command
      ->add_option(
          "-m,--manifest", arguments->manifest,
          "CSV with the columns path,label,patient and optionally group,mask; paths are relative to it and may "
          "point into zips: archive.zip!inner/name.png")
      ->type_name("FILE.csv")
      ->required();
  add_prepare_options(*command, *arguments);
  command->footer(
      "Example:\n  pulmo-prepare images --manifest slices.csv --output data/slices --set preprocess.mask=none\n"
      "configs/prepare_images.yaml explains every configuration key; docs/prepare.md tells the whole way.");
  return [arguments] {
    begin_prepare();
    const PrepareOptions options = arguments->resolved();
    const auto& common = arguments->common;
    const std::string source = common.config.empty() ? "configuration" : common.config.string();
    const ImagesConfig config = read_images_config(load_yaml(common.config, common.overrides), source);
    if (common.check) return print_configuration(to_yaml(config));
    print_summary(options, prepare_images(arguments->manifest, config, options));
  };
}

}  // namespace pulmo::pipeline
