#include <iomanip>
#include <iostream>
#include <memory>
#include <vector>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "pipeline/commands/prepare_options.h"
#include "pipeline/commands/subcommands.h"
#include "pipeline/lidc/annotation_table.h"
#include "pipeline/lidc/readings.h"

namespace pulmo::pipeline {
namespace {

struct Arguments {
  std::vector<std::filesystem::path> annotations;
  std::filesystem::path patients, spacing, output;
  int threads = 0;
  bool strict = false;
};

void print_counts(const char* title, const Tally& tally) {
  for (const auto& [reason, entry] : tally.entries()) {
    std::cout << title << ": " << entry.count << " " << reason
              << (entry.examples.empty() ? "" : ", for example " + entry.examples.front()) << "\n";
  }
}

void print_agreement(const AnnotationTable& table) {
  if (table.compared == 0) return;
  std::cout << "mean reader_dice of the " << table.compared << " nodules of at least " << kReadersOfAgreement
            << " readers: " << std::fixed << std::setprecision(3) << table.mean_reader_dice << "\n";
}

void run(const Arguments& arguments) {
  SeriesFacts facts;
  if (!arguments.patients.empty()) {
    read_patients(read_text_file(arguments.patients), arguments.patients.string(), facts);
  }
  if (!arguments.spacing.empty()) {
    read_spacings(read_text_file(arguments.spacing), arguments.spacing.string(), facts);
  }
  Ledger ledger(arguments.strict);
  const ByteSource source(arguments.annotations);
  const auto readings = read_readings(source, thread_count(arguments.threads), ledger);
  if (readings.empty()) throw InvalidInput("no_annotations", "the input holds no LIDC reading of a CT series");
  const AnnotationTable table = annotation_table(readings, facts, ledger);
  write_file_atomically(arguments.output, table.csv);
  const auto total = [&](const char* name) {
    const auto at = ledger.totals().find(name);
    return at == ledger.totals().end() ? 0 : at->second;
  };
  std::cout << total("xml_files") << " XML files, " << readings.size() << " readings, " << total("nodules")
            << " nodules of " << total("reader_outlines") << " outlines: " << arguments.output.string() << "\n";
  print_agreement(table);
  print_counts("left out", ledger.left_out(Scope::kReadings));
  print_counts("problem", ledger.problems());
  print_counts("note", ledger.notes());
}

}  // namespace

std::function<void()> add_annotations_command(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand("annotations", "List the nodules of LIDC readings, also without images");
  command->add_option("-a,--annotations", arguments->annotations, "LIDC XML readings: folders, zips or files")
      ->type_name("PATH")
      ->required();
  command->add_option("-o,--output", arguments->output, "Table to write, one row a nodule")
      ->type_name("FILE.csv")
      ->required();
  command->add_option("--patients", arguments->patients, "Table that names patients: columns patient,series_uid")
      ->type_name("FILE.csv");
  command
      ->add_option(
          "--spacing", arguments->spacing,
          "Table of pixel_spacing,slice_thickness in mm by series_uid, patient or nodule_id (PATIENT-k); series "
          "that it lacks are taken to have 0.7 mm pixels and the smallest distance of contours as thickness")
      ->type_name("FILE.csv");
  command->add_option("--threads", arguments->threads, "Worker threads; 0 for all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_flag("--strict", arguments->strict, "Stop at the first broken file");
  return [arguments] { run(*arguments); };
}

}  // namespace pulmo::pipeline
