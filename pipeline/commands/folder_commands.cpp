// Commands that look at a prepared folder: inspect, verify, merge.
#include <iostream>
#include <memory>

#include "core/support/error.h"
#include "pipeline/commands/prepare_options.h"
#include "pipeline/commands/subcommands.h"
#include "pipeline/inspection/collection_page.h"
#include "pipeline/inspection/inspect.h"
#include "pipeline/inspection/montage.h"
#include "pipeline/inspection/verify.h"
#include "pipeline/run/progress.h"

namespace pulmo::pipeline {
namespace {

struct InspectArguments {
  std::filesystem::path directory, montage, html;
  bool json = false;
  MontageOptions options;
  std::string split;
};

void inspect(InspectArguments arguments) {
  for (const Split which : kSplits) {
    if (arguments.split == to_string(which)) arguments.options.split = which;
  }
  std::cout << (arguments.json ? describe_json(arguments.directory) : describe(arguments.directory));
  if (!arguments.montage.empty()) write_montage(arguments.directory, arguments.options, arguments.montage);
  if (!arguments.html.empty()) write_collection_page(arguments.directory, arguments.html);
}

void verify_folder(const std::filesystem::path& directory) {
  VerifyReport report;
  {
    std::unique_ptr<Progress> progress;
    report = verify(directory, [&](std::int64_t, std::int64_t total) {
      if (!progress) progress = std::make_unique<Progress>("verify", "shards", total);
      progress->advance();
    });
  }
  std::cout << report.text();
  if (!report.good()) {
    throw InvalidInput(
        "verify", directory.string() + " must not be used: " + std::to_string(report.problems.size()) + " problems");
  }
}

}  // namespace

std::function<void()> add_inspect_command(CLI::App& program) {
  const auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = program.add_subcommand("inspect", "Show what a prepared folder holds");
  command->add_option("directory", arguments->directory, "The prepared folder")->type_name("DIR")->required();
  command->add_flag("--json", arguments->json, "One JSON object instead of text");
  command->add_option("--montage", arguments->montage, "Also draw samples of each class, with lung and nodule outlines")
      ->type_name("FILE.png");
  command
      ->add_option(
          "--html", arguments->html,
          "Also write the report of the collection, one page without outside parts; every prepare run leaves it "
          "as report.html")
      ->type_name("FILE.html");
  command->add_option("--samples", arguments->options.samples_per_class, "Samples of each class in the montage")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--columns", arguments->options.columns, "Pictures in a row of the montage")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--split", arguments->split, "Draw samples of this part only")
      ->check(CLI::IsMember({"train", "validation", "test"}));
  command->add_option("--seed", arguments->options.seed, "Of the choice of samples")->capture_default_str();
  return [arguments] { inspect(*arguments); };
}

std::function<void()> add_verify_command(CLI::App& program) {
  const auto directory = std::make_shared<std::filesystem::path>();
  CLI::App* command = program.add_subcommand(
      "verify", "Check a prepared folder: checksums, labels, masks, and that no patient is in two parts");
  command->add_option("directory", *directory, "The prepared folder")->type_name("DIR")->required();
  command->footer("Exits with 0 when all is well, 1 when not.");
  return [directory] { verify_folder(*directory); };
}

std::function<void()> add_merge_command(CLI::App& program) {
  const auto options = std::make_shared<PrepareOptions>();
  CLI::App* command = program.add_subcommand("merge", "Finish a folder whose parts (--part I/N) are all made");
  command->add_option("directory", options->output, "The folder that the parts were written to")
      ->type_name("DIR")
      ->required();
  return [options] { print_summary(*options, merge_parts(options->output)); };
}

}  // namespace pulmo::pipeline
