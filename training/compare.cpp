#include "training/compare.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "core/model/network.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "training/also.h"
#include "training/attention_pictures.h"
#include "training/evaluation/best_row.h"
#include "training/evaluation/comparison.h"
#include "training/evaluation/fold_pool.h"
#include "training/evaluation/picture.h"
#include "training/evaluation/wrong_cases.h"
#include "training/folds.h"
#include "training/rounds.h"
#include "training/row_faithfulness.h"
#include "training/row_maker.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBundleFile = "bundle.pt";
constexpr std::size_t kWrongOfAClass = 6;  // pictures in the report, of each row
constexpr std::int64_t kPicturePx = 128;

std::vector<Round> rounds_of(const CompareJob& job, const PreparedData& data) {
  if (job.options.folds == 0) return {{data, job.folder}};
  const FoldOptions options{job.options.folds, job.options.fold_validation, job.options.fit.training.seed};
  std::vector<Round> rounds;
  for (std::int64_t fold = 0; fold < options.folds; ++fold) {
    rounds.push_back({fold_of(data, options, fold), job.folder / "folds" / std::to_string(fold + 1)});
  }
  return rounds;
}

void check_fold(const CompareJob& job) {
  if (!job.fold) return;
  const std::string given = "--fold " + std::to_string(*job.fold);
  if (job.options.folds == 0) throw UsageError(given + ": there are no folds; set them with --set folds=K");
  if (*job.fold < 1 || *job.fold > job.options.folds) {
    throw UsageError(given + ": there are " + std::to_string(job.options.folds) + " folds, counted from 1");
  }
}

void check_rounds(const std::vector<Round>& rounds, int ranks) {
  for (const Round& round : rounds) {
    check_trainable(round.data, ranks);
    if (round.data.test.size() == 0) throw InvalidInput("training_data", "no test samples to compare the rows on");
  }
}

// What could not be shown on the page is told before hours of training rather than after them.
void check_faithfulness(const CompareJob& job) {
  if (job.fold) return;
  for (const std::string& row : job.options.rows) {
    const fs::path file = job.folder / row / kFaithfulnessFile;
    if (fs::exists(file)) read_faithfulness(file);
  }
}

std::vector<Prediction> test_part(std::vector<SplitPredictions>& parts) {
  for (SplitPredictions& part : parts) {
    if (part.split == "test") return std::move(part.samples);
  }
  return {};
}

void copy_bundle(const fs::path& from, const fs::path& to) {
  AtomicFile bundle(to);
  fs::copy_file(from, bundle.temp_path(), fs::copy_options::overwrite_existing);
  bundle.commit();
}

// The pooled result of one row as its own run folder.
ComparedRow pool_row(const CompareJob& job, const std::vector<Round>& rounds, std::vector<FoldResult> folds) {
  const std::string row = folds.front().report.facts.row;
  PooledFolds pooled = pool_folds(folds);
  ComparedRow compared{std::move(pooled.report), std::move(pooled.test), std::nullopt, {}};
  for (FoldResult& fold : folds) compared.folds.push_back(std::move(fold.report));
  const fs::path folder = job.folder / row;
  make_writable_directory(folder);
  write_predictions(folder / "predictions.csv", compared.report.facts.classes, {{"test", compared.test}}, true);
  const std::size_t chosen = median_fold(compared.folds);
  copy_bundle(rounds[chosen].folder / row / kBundleFile, folder / kBundleFile);
  log_info("bundle of the median fold", {{"row", row}, {"fold", std::to_string(chosen + 1)}});
  write_file_atomically(folder / "metrics.json", to_json(compared.report));
  return compared;
}

// The best row's model, at the top of the folder.
void hand_on_best(Comparison& comparison, const fs::path& folder) {
  comparison.best = best_row(comparison);
  if (!comparison.best) {
    log_warning("no row's ROC-AUC is defined on validation: no model is handed on as the best");
    return;
  }
  copy_bundle(folder / comparison.best->row / kBundleFile, folder / kBundleFile);
  log_info("bundle of the best row on validation", {{"row", comparison.best->row}});
}

// A picture of each most wrong case, from the test parts that the row's predictions were made on, one after another.
void draw_wrong_cases(ComparedRow& row, const std::vector<Round>& rounds) {
  row.wrong = wrong_cases(row.test, row.report.facts, kWrongOfAClass);
  for (WrongCase& one : row.wrong) {
    const auto [round, index] = test_sample(rounds, one.index);
    const SampleShape& shape = round->data.test.shape();
    std::vector<std::uint16_t> pixels(static_cast<std::size_t>(shape.elements()));
    round->data.test.read_image(index, pixels);
    const std::int64_t plane = shape.height * shape.width;  // of a volume the middle one
    const auto middle =
        std::span(pixels).subspan(static_cast<std::size_t>(shape.depth / 2 * plane), static_cast<std::size_t>(plane));
    one.picture = png_data_uri(middle, shape.height, shape.width, kPicturePx);
  }
}

ComparedRow plain_row(FoldResult result) {
  return {std::move(result.report), std::move(result.test), std::nullopt, {}};
}

Comparison empty_comparison(const CompareJob& job, const PreparedData& data) {
  const FitOptions& options = job.options.fit;
  Comparison comparison;
  comparison.reference = job.options.reference;
  comparison.command_line = job.command_line;
  comparison.data_digest = data.digest;
  comparison.task = data.manifest.task;
  comparison.phantom = data.manifest.phantom;
  comparison.classes = data.classes;
  comparison.bootstrap = {static_cast<int>(options.evaluation.bootstrap), 0.95, options.training.seed};
  return comparison;
}

// results[row][round], on rank 0.
std::vector<std::vector<FoldResult>> make_all(const CompareJob& job, const std::vector<Round>& rounds,
                                              const Communicator& communicator) {
  FeatureStore features(at::get_num_threads(), communicator);
  std::vector<std::vector<FoldResult>> results(job.options.rows.size());
  for (const Round& round : rounds) {
    if (communicator.is_root() && !round.data.fold.empty()) log_info("fold begins", {{"fold", round.data.fold}});
    communicator.together([&] {
      if (communicator.is_root()) make_writable_directory(round.folder);
    });
    RowMaker maker(job, round.data, round.folder, features, communicator);
    for (std::size_t i = 0; i < results.size(); ++i) {
      RowResult made = maker.make(job.options.rows[i]);
      if (communicator.is_root()) results[i].push_back({std::move(made.report), test_part(made.predictions)});
    }
  }
  return results;
}

void write_comparison(Comparison& comparison, const fs::path& folder) {
  add_paired_tests(comparison);
  write_file_atomically(folder / "comparison.md", comparison_markdown(comparison));
  write_file_atomically(folder / "comparison.csv", comparison_csv(comparison));
  write_file_atomically(folder / "comparison.json", comparison_json(comparison));
  write_file_atomically(folder / "comparison.html", comparison_html(comparison));
}

// Fills how faithful the rows' explanations are, where it was measured; `evaluation.faithfulness` has it measured of
// the network rows that lack it.
void explain_rows(const CompareJob& job, const std::vector<Round>& rounds, Comparison& comparison,
                  const Communicator& communicator) {
  const std::vector<std::string> networks = network_names();
  for (std::size_t i = 0; i < job.options.rows.size(); ++i) {
    const std::string& name = job.options.rows[i];
    const bool measures =
        job.options.faithfulness > 0 && std::find(networks.begin(), networks.end(), name) != networks.end();
    if (measures && job.interrupted()) {
      throw Interrupted("stopped by a signal before the explanations of " + name + ": run the same command again");
    }
    communicator.together([&] {
      if (!communicator.is_root()) return;
      ComparedRow& row = comparison.rows[i];
      const PreparedData& data = rounds[row.folds.empty() ? 0 : median_fold(row.folds)].data;
      row.faithfulness =
          measures ? made_faithfulness(job.folder / name, data, job.options.faithfulness, comparison.bootstrap)
                   : fitting_faithfulness(job.folder / name, data.digest);
    });
  }
}

std::string also_table(const CompareJob& job, const AlsoData& also, const std::vector<Round>& rounds,
                       const Communicator& communicator) {
  std::vector<AlsoRound> tests;
  for (const Round& round : rounds) tests.push_back({&round.data, round.folder});
  const fs::path folder = job.folder / ("also-" + also.name);
  Comparison comparison = empty_comparison(job, also.data);
  comparison.title = "Comparison of models on " + also.name;
  comparison.trained_on = rounds.front().data.digest;
  comparison.rows = judge_also(job, also, tests, folder, communicator);
  communicator.together([&] {
    if (communicator.is_root()) write_comparison(comparison, folder);
  });
  return communicator.is_root() ? std::string("\n").append(comparison_markdown(comparison)) : std::string();
}

}  // namespace

std::string compare(const CompareJob& job, const PreparedData& data, const std::vector<AlsoData>& also,
                    const Communicator& communicator) {
  std::vector<Round> rounds;
  communicator.together([&] {
    RowMaker::check(job.options);
    check_fold(job);
    check_slice_weights(job.options.fit.evaluation.slice_weights, data);
    rounds = rounds_of(job, data);
    check_rounds(rounds, communicator.size());
    if (job.fold) rounds = {rounds[static_cast<std::size_t>(*job.fold - 1)]};
    for (const AlsoData& one : also) check_also(one, data);
    check_faithfulness(job);
    if (!communicator.is_root()) return;
    RowMaker::check_on(job.options, rounds.front().data);
    make_writable_directory(job.folder);
    write_file_atomically(job.folder / "config.yaml", to_yaml(job.options));
  });
  std::vector<std::vector<FoldResult>> results = make_all(job, rounds, communicator);
  if (job.fold) return "fold " + std::to_string(*job.fold) + " done: once all are, run again without --fold\n";
  std::string table;
  Comparison comparison = empty_comparison(job, data);
  communicator.together([&] {
    if (!communicator.is_root()) return;
    for (std::vector<FoldResult>& row : results) {
      const bool pooled = job.options.folds > 0;
      comparison.rows.push_back(pooled ? pool_row(job, rounds, std::move(row)) : plain_row(std::move(row.front())));
      draw_wrong_cases(comparison.rows.back(), rounds);
      draw_attention(comparison.rows.back(), rounds);
    }
    hand_on_best(comparison, job.folder);
  });
  explain_rows(job, rounds, comparison, communicator);
  communicator.together([&] {
    if (!communicator.is_root()) return;
    write_comparison(comparison, job.folder);
    table = comparison_markdown(comparison);
  });
  for (const AlsoData& one : also) table += also_table(job, one, rounds, communicator);
  return table;
}

}  // namespace pulmo::training
