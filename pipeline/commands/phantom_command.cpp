#include <iostream>
#include <memory>

#include "core/support/log.h"
#include "pipeline/commands/subcommands.h"
#include "pipeline/phantom/phantom.h"
#include "pipeline/run/progress.h"
#include "pipeline/run/stop_signal.h"

namespace pulmo::pipeline {
namespace {

void run(PhantomOptions options, const std::filesystem::path& output) {
  watch_stop_signals();
  {
    Progress progress("phantom", "patients", options.patients);
    options.progress = [&progress](int, int) {
      throw_if_stopped("the same command completes the archive");
      progress.advance();
    };
    write_phantom(options, output);
  }
  std::cout << "wrote a synthetic archive of " << options.patients
            << " patients; prepare it with\n  pulmo-prepare lidc --input " << (output / "images").string()
            << " --annotations " << (output / "annotations").string() << " --output DIR\n";
}

}  // namespace

std::function<void()> add_phantom_command(CLI::App& program) {
  struct Arguments {
    PhantomOptions options;
    std::filesystem::path output;
  };
  const auto arguments = std::make_shared<Arguments>();
  PhantomOptions& options = arguments->options;
  CLI::App* command = program.add_subcommand("phantom", "Write a synthetic LIDC-like archive, for demos and tests");
  command->add_option("-o,--output", arguments->output, "Folder for images, annotations and truth.csv")
      ->type_name("DIR")
      ->required();
  command->add_option("--patients", options.patients, "Patients, one CT series each")
      ->check(CLI::Range(1, 9999))
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Same seed, same archive, byte for byte")->capture_default_str();
  command->add_option("--matrix", options.matrix_px, "Pixels on a side of a slice")
      ->check(CLI::Range(64, 1024))
      ->capture_default_str();
  command->add_option("--slices", options.slices, "Slices of a series; 0: as the scanner spaces them, 33 to 54")
      ->check(CLI::Range(0, 400))
      ->capture_default_str();
  command->add_option("--threads", options.threads, "Worker threads; 0 for all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->footer(
      "Example:\n  pulmo-prepare phantom --output archive --patients 60 --seed 1\ndocs/phantom.md shows it.");
  return [arguments] { run(arguments->options, arguments->output); };
}

}  // namespace pulmo::pipeline
