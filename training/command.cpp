#include "training/command.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "core/support/atomic_file.h"
#include "core/support/command_line.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/run_main.h"
#include "core/support/version.h"
#include "training/communicator.h"
#include "training/compare.h"
#include "training/evaluate.h"
#include "training/faithfulness.h"
#include "training/fit.h"
#include "training/launch.h"
#include "training/options.h"
#include "training/outline_agreement.h"
#include "training/row_maker.h"
#include "training/stop_signal.h"
#include "training/watch/run_curves.h"

namespace pulmo::training {
namespace {

constexpr std::chrono::seconds kHeadStart{3};

struct Arguments {
  CommonOptions common;
  std::filesystem::path data;
  std::filesystem::path output;
  std::filesystem::path run;
  std::filesystem::path bundle;
  std::vector<std::string> also;  ///< NAME=DIR
  std::string split = "test";
  std::int64_t samples = FaithfulnessJob{}.samples;
  std::vector<std::string> methods;  ///< of explanations
  ProgressStyle progress = ProgressStyle::kAuto;
  bool fresh = false;
  std::optional<std::int64_t> fold;
  std::string command_line;  ///< as it was typed, for the table
};

const std::map<std::string, ProgressStyle> kProgressStyles = {{"auto", ProgressStyle::kAuto},
                                                              {"line", ProgressStyle::kLine},
                                                              {"plain", ProgressStyle::kPlain},
                                                              {"none", ProgressStyle::kNone}};

void add_run_options(CLI::App& command, Arguments& arguments) {
  add_configuration_options(command, arguments.common);
  command.add_option("--data", arguments.data, "Prepared folder (manifest.yaml and shards)")
      ->required()
      ->type_name("DIR");
  command.add_option("--output", arguments.output, "Folder of the run")->required()->type_name("DIR");
  command.add_flag("--fresh", arguments.fresh, "Start anew, dropping what an earlier run left in the output folder");
  command.add_option("--progress", arguments.progress, "How progress is shown: auto, line, plain or none")
      ->transform(CLI::CheckedTransformer(kProgressStyles, CLI::ignore_case).description(""))
      ->type_name("STYLE");
}

// A collective question: was any rank asked to stop?
std::function<bool()> any_rank_stopped(const StopSignal& signal, const Communicator& communicator) {
  return [&] { return communicator.max(std::uint64_t{signal.received() != 0 ? 1U : 0U}) != 0; };
}

// What differs between ranks would have them wait for each other at different places.
void require_same(const std::string& configuration, const Communicator& communicator) {
  const std::string of_root = communicator.broadcast(configuration);
  communicator.together([&] {
    if (configuration == of_root) return;
    throw InvalidInput("configuration", "rank " + std::to_string(communicator.rank()) +
                                            " was given another configuration than rank 0: start all ranks with the "
                                            "same file and the same --set");
  });
}

void say(const Communicator& communicator, const std::string& text) {
  if (communicator.is_root()) std::cout << text << std::flush;
}

std::string summary(const RowResult& result) {
  std::string text;
  for (const SplitReport& split : result.report.splits) text.append(to_markdown(split)).append("\n");
  if (result.report.facts.phantom) text.append("All figures are from the synthetic phantom.\n");
  return text.append(kNotice).append("\n");
}

// On rank 0; null elsewhere.
std::unique_ptr<Watch> watch_on_root(const WatchOptions& options, const Communicator& communicator) {
  std::unique_ptr<Watch> watch;
  communicator.together([&] {
    if (communicator.is_root()) watch = std::make_unique<Watch>(options);
  });
  return watch;
}

// Lets whoever watches know how the work ends.
void watched(Watch* watch, const std::function<void()>& work) {
  const auto tell = [watch](RunState state) {
    if (watch != nullptr) watch->end(state);
  };
  try {
    work();
    tell(RunState::kDone);
  } catch (const Interrupted&) {
    tell(RunState::kInterrupted);
    throw;
  } catch (...) {
    tell(RunState::kFailed);
    throw;
  }
}

void run_fit(const Arguments& arguments, const Communicator& communicator) {
  const StopSignal signal;
  FitJob job;
  communicator.together([&] { job.options = read_fit_options(arguments.common.config, arguments.common.overrides); });
  require_same(to_yaml(job.options), communicator);
  if (arguments.common.check) return say(communicator, to_yaml(job.options));
  job.folder = arguments.output;
  job.fresh = arguments.fresh;
  job.progress = arguments.progress;
  job.interrupted = any_rank_stopped(signal, communicator);
  set_up_compute(job.options.compute, communicator);
  const PreparedData data = open_prepared(arguments.data, job.options.evaluation.verify_shards, communicator);
  const auto watch = watch_on_root(job.options.watch, communicator);
  job.watch = watch.get();
  watched(watch.get(), [&] {
    const RowResult result = fit(job, data, communicator);
    if (communicator.is_root()) say(communicator, summary(result));
  });
}

// NAME=DIR, as given.
std::vector<std::pair<std::string, std::filesystem::path>> also_named(const std::vector<std::string>& arguments) {
  std::vector<std::pair<std::string, std::filesystem::path>> folders;
  for (const std::string& one : arguments) {
    const auto equals = one.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == one.size()) {
      throw UsageError("--also " + one + ": NAME=DIR is expected");
    }
    folders.emplace_back(one.substr(0, equals), one.substr(equals + 1));
    const auto twice = std::count_if(folders.begin(), folders.end(),
                                     [&](const auto& folder) { return folder.first == folders.back().first; });
    if (twice > 1) throw UsageError("--also " + one + ": this name was given before");
  }
  return folders;
}

void run_compare(const Arguments& arguments, const Communicator& communicator) {
  const StopSignal signal;
  CompareJob job;
  communicator.together(
      [&] { job.options = read_compare_options(arguments.common.config, arguments.common.overrides); });
  require_same(to_yaml(job.options), communicator);
  if (arguments.common.check) {
    communicator.together([&] { RowMaker::check(job.options); });
    return say(communicator, to_yaml(job.options));
  }
  job.folder = arguments.output;
  job.fresh = arguments.fresh;
  job.progress = arguments.progress;
  job.interrupted = any_rank_stopped(signal, communicator);
  job.command_line = arguments.command_line;
  job.fold = arguments.fold;
  set_up_compute(job.options.fit.compute, communicator);
  const PreparedData data = open_prepared(arguments.data, job.options.fit.evaluation.verify_shards, communicator);
  std::vector<AlsoData> also;
  for (const auto& [name, folder] : also_named(arguments.also)) {
    also.push_back({name, open_prepared(folder, job.options.fit.evaluation.verify_shards, communicator)});
  }
  const auto watch = watch_on_root(job.options.fit.watch, communicator);
  job.watch = watch.get();
  watched(watch.get(), [&] { say(communicator, compare(job, data, also, communicator)); });
}

std::vector<Split> splits_named(const std::string& name) {
  if (name == "all") return {kSplits.begin(), kSplits.end()};
  for (const Split split : kSplits) {
    if (to_string(split) == name) return {split};
  }
  throw UsageError("--split " + name + ": use train, validation, test or all");
}

void run_evaluate(const Arguments& arguments, const Communicator& communicator) {
  EvaluateJob job;
  communicator.together([&] {
    job.splits = splits_named(arguments.split);
    job.options = read_evaluate_options(arguments.common.config, arguments.common.overrides);
  });
  require_same(to_yaml(job.options) + arguments.split, communicator);
  if (arguments.common.check) return say(communicator, to_yaml(job.options));
  job.bundle = arguments.bundle;
  job.output = arguments.output;
  const PreparedData data = open_prepared(arguments.data, job.options.evaluation.verify_shards, communicator);
  const RowResult result = evaluate(job, data, communicator);
  if (communicator.is_root()) say(communicator, summary(result));
}

Split one_split_named(const std::string& name, const Communicator& communicator) {
  Split split = Split::kTest;
  communicator.together([&] {
    const std::vector<Split> splits = splits_named(name);
    if (splits.size() != 1) throw UsageError("--split all: this is measured on one part");
    split = splits.front();
  });
  return split;
}

void run_faithfulness(const Arguments& arguments, const Communicator& communicator) {
  FaithfulnessJob job;
  job.split = one_split_named(arguments.split, communicator);
  job.bundle = arguments.bundle;
  job.samples = arguments.samples;
  job.methods = arguments.methods;
  job.output = arguments.output;
  const PreparedData data = open_prepared(arguments.data, true, communicator);
  say(communicator, faithfulness(job, data, communicator));
  say(communicator, std::string(kNotice) + "\n");
}

void run_outlines(const Arguments& arguments, const Communicator& communicator) {
  const OutlineJob job{arguments.bundle, one_split_named(arguments.split, communicator), arguments.output, {}};
  const PreparedData data = open_prepared(arguments.data, true, communicator);
  say(communicator, outline_agreement(job, data, communicator));
  say(communicator, std::string(kNotice) + "\n");
}

void run_plot(const Arguments& arguments, const Communicator& communicator) {
  communicator.together([&] {
    if (!communicator.is_root()) return;
    const std::filesystem::path run = arguments.run;
    const auto svg = run_curves_svg(read_run_log(run / "log.jsonl"),
                                    run.filename().empty() ? run.parent_path().filename() : run.filename());
    const std::filesystem::path target = arguments.output.empty() ? run / "curves.svg" : arguments.output;
    write_file_atomically(target, svg);
    std::cout << target.string() << '\n';
  });
}

using Body = std::function<void(const Communicator&)>;

// Of what is measured on one part of the data.
void add_measuring_options(CLI::App& command, Arguments& arguments) {
  command.add_option("--bundle", arguments.bundle, "Bundle (.pt)")->required()->type_name("FILE");
  command.add_option("--data", arguments.data, "Prepared folder")->required()->type_name("DIR");
  command.add_option("--split", arguments.split, "train, validation or test")->type_name("SPLIT");
  command.add_option("--output", arguments.output, "Write the figures here too, as JSON")->type_name("FILE");
}

void add_outlines(CLI::App& program, Arguments& arguments, Body& body) {
  CLI::App& command =
      *program.add_subcommand("outlines", "Measure a bundle's outlines of nodules against those of the readers");
  add_measuring_options(command, arguments);
  command.callback([&] { body = [&](const Communicator& ranks) { run_outlines(arguments, ranks); }; });
}

void add_faithfulness(CLI::App& program, Arguments& arguments, Body& body) {
  CLI::App& command =
      *program.add_subcommand("faithfulness", "Measure whether a bundle's explanations say what the model does");
  add_measuring_options(command, arguments);
  command.add_option("--samples", arguments.samples, "Samples, spread evenly over the split; 200 without it")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  command
      .add_option("--methods", arguments.methods,
                  "grad_cam, integrated_gradients, occlusion, with commas; without it the first two where the row has "
                  "gradients, else the last")
      ->delimiter(',')
      ->check(CLI::IsMember(explanation_methods()).description(""))
      ->type_name("LIST");
  command.callback([&] { body = [&](const Communicator& ranks) { run_faithfulness(arguments, ranks); }; });
}

void add_commands(CLI::App& program, Arguments& arguments, Body& body) {
  CLI::App& fit = *program.add_subcommand("fit", "Train one network and write its run folder and bundle");
  add_run_options(fit, arguments);
  fit.callback([&] { body = [&](const Communicator& ranks) { run_fit(arguments, ranks); }; });

  CLI::App& compare = *program.add_subcommand("compare", "Train every row of the comparison table on the same split");
  add_run_options(compare, arguments);
  compare
      .add_option("--also", arguments.also,
                  "Judge the trained rows on another prepared folder too, on its samples of the test patients")
      ->type_name("NAME=DIR")
      ->allow_extra_args(false);
  compare
      .add_option("--fold", arguments.fold, "Only the rows of this patient fold, from 1: run without it to pool them")
      ->type_name("I");
  compare.callback([&] { body = [&](const Communicator& ranks) { run_compare(arguments, ranks); }; });

  CLI::App& evaluate = *program.add_subcommand("evaluate", "Judge a bundle of any row on prepared data");
  add_configuration_options(evaluate, arguments.common);
  evaluate.add_option("--bundle", arguments.bundle, "Bundle (.pt)")->required()->type_name("FILE");
  evaluate.add_option("--data", arguments.data, "Prepared folder")->required()->type_name("DIR");
  evaluate.add_option("--split", arguments.split, "train, validation, test or all")->type_name("SPLIT");
  evaluate.add_option("--output", arguments.output, "Write metrics.json and predictions.csv here")->type_name("DIR");
  evaluate.callback([&] { body = [&](const Communicator& ranks) { run_evaluate(arguments, ranks); }; });

  add_faithfulness(program, arguments, body);
  add_outlines(program, arguments, body);

  CLI::App& plot = *program.add_subcommand("plot", "Draw the curves of a run's log.jsonl as an SVG picture");
  plot.add_option("RUN", arguments.run, "Folder of the run")->required()->type_name("");
  plot.add_option("--output", arguments.output, "Picture; RUN/curves.svg without it")->type_name("FILE");
  plot.callback([&] { body = [&](const Communicator& ranks) { run_plot(arguments, ranks); }; });
  program.require_subcommand(1);
}

// All ranks parse the same command line; only one needs to talk about it.
class QuietPeers {
 public:
  QuietPeers() : quiet_(launched_rank(process_environment()) > 0) {
    if (!quiet_) return;
    out_ = std::cout.rdbuf(nowhere_.rdbuf());
    error_ = std::cerr.rdbuf(nowhere_.rdbuf());
  }
  ~QuietPeers() { restore(); }
  QuietPeers(const QuietPeers&) = delete;
  QuietPeers& operator=(const QuietPeers&) = delete;

  void restore() {
    if (!std::exchange(quiet_, false)) return;
    std::cout.rdbuf(out_);
    std::cerr.rdbuf(error_);
  }

 private:
  bool quiet_;
  std::ostringstream nowhere_;
  std::streambuf* out_ = nullptr;
  std::streambuf* error_ = nullptr;
};

// Runs on one rank. Returns the exit code where another rank tells why, kExitDone elsewhere; throws what this rank is
// to tell.
int run_on_rank(const Body& body, const Communicator& communicator) {
  try {
    body(communicator);
  } catch (const PeerFailed&) {
    return kExitFailed;
  } catch (const Interrupted&) {  // on every rank alike
    if (communicator.is_root()) throw;
    return kExitRunAgain;
  }
  return kExitDone;
}

}  // namespace

int run_train(int argc, char** argv) {
  Arguments arguments;
  for (int i = 0; i < argc; ++i) arguments.command_line.append(i > 0 ? " " : "").append(argv[i]);
  CLI::App program{
      "Trains, judges and compares models on prepared CT data, data parallel over MPI ranks.\n" + std::string(kNotice),
      "pulmo-train"};
  add_program_options(program);
  Body body;
  add_commands(program, arguments, body);
  QuietPeers quiet;
  std::optional<Communicator> communicator;
  int silent_code = kExitDone;
  const int code = run_main(program, argc, argv, [&] {
    quiet.restore();
    communicator.emplace(&argc, &argv);
    if (communicator->size() > 1) set_log_rank(communicator->rank());
    silent_code = run_on_rank(body, *communicator);
  });
  if (!communicator) {
    // The launcher ends all ranks when the first one fails: leave the one that talks the time to do so.
    if (code != kExitDone && launched_rank(process_environment()) > 0) std::this_thread::sleep_for(kHeadStart);
    return code;
  }
  // A failure that only this rank knows of must end the others too; they may be waiting for it.
  if (code != kExitDone && code != kExitRunAgain && !communicator->failed_together()) communicator->abort(code);
  communicator->finalize();
  return silent_code != kExitDone ? silent_code : code;
}

}  // namespace pulmo::training
