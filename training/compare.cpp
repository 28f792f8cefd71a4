#include "training/compare.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/model/network.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "training/classical_rows.h"
#include "training/evaluation/comparison.h"
#include "training/run_folder.h"

namespace pulmo::training {
namespace {

bool is_classical(const std::string& row) {
  const auto& names = ClassicalRows::names();
  return std::find(names.begin(), names.end(), row) != names.end();
}

bool is_network(const std::string& row) {
  const auto names = network_names();
  return std::find(names.begin(), names.end(), row) != names.end();
}

void check_rows(const CompareOptions& options) {
  for (const std::string& row : options.rows) {
    if (is_classical(row) || is_network(row)) continue;
    std::string known;
    for (const auto& names : {ClassicalRows::names(), network_names()}) {
      for (const std::string& name : names) known.append(known.empty() ? "" : ", ").append(name);
    }
    throw InvalidInput("configuration", "rows: unknown row '" + row + "'; known: " + known);
  }
  if (std::find(options.rows.begin(), options.rows.end(), options.reference) == options.rows.end()) {
    throw InvalidInput("configuration", "reference: '" + options.reference + "' is not among the rows");
  }
  for (const std::string& row : options.rows) {
    if (std::count(options.rows.begin(), options.rows.end(), row) > 1) {
      throw InvalidInput("configuration", "rows: '" + row + "' stands there twice");
    }
  }
}

// Everything that a row is made with.
struct Workshop {
  const CompareJob& job;
  const PreparedData& data;
  const Communicator& communicator;
  ClassicalRows& classical;
};

FitJob network_job(const Workshop& shop, const std::string& row) {
  FitJob job;
  job.options = shop.job.options.fit;
  job.options.model.name = row;
  job.folder = shop.job.folder / row;
  job.fresh = shop.job.fresh;
  job.progress = shop.job.progress;
  job.interrupted = shop.job.interrupted;
  return job;
}

RowResult make_classical(const Workshop& shop, const std::string& row, const std::string& identity) {
  const FitOptions& options = shop.job.options.fit;
  open_run_folder(shop.job.folder / row, shop.job.fresh, shop.communicator);
  TrainedModel model = shop.classical.train(row);
  model.identity = identity;
  const Judging judging{options.evaluation, options.training.seed, at::get_num_threads(), shop.job.interrupted};
  return finish_model(model, shop.data, shop.job.folder / row, judging, shop.communicator);
}

std::string identity_of(const Workshop& shop, const std::string& row) {
  if (!is_network(row)) return classical_identity(row, shop.job.options, shop.data.digest);
  return run_identity(network_job(shop, row).options, shop.data.digest);
}

RowResult make_row(const Workshop& shop, const std::string& row) {
  const std::string identity = identity_of(shop, row);
  std::optional<RowResult> done;
  shop.communicator.together([&] {
    if (shop.job.fresh || !shop.communicator.is_root()) return;
    done = read_result(shop.job.folder / row, shop.data, identity, shop.job.options.fit.evaluation);
    if (done) log_info("row taken over from an earlier run", {{"row", row}});
  });
  if (shop.communicator.max(std::uint64_t{done ? 1U : 0U}) != 0) return done ? std::move(*done) : RowResult{};
  if (shop.job.interrupted()) {
    throw Interrupted("stopped by a signal before the row " + row + ": run the same command again to go on");
  }
  if (is_network(row)) return fit(network_job(shop, row), shop.data, shop.communicator);
  return make_classical(shop, row, identity);
}

ComparedRow compared(RowResult result) {
  ComparedRow row;
  row.report = std::move(result.report);
  for (SplitPredictions& part : result.predictions) {
    if (part.split == "test") row.test = std::move(part.samples);
  }
  return row;
}

Comparison empty_comparison(const Workshop& shop) {
  const FitOptions& options = shop.job.options.fit;
  Comparison comparison;
  comparison.reference = shop.job.options.reference;
  comparison.command_line = shop.job.command_line;
  comparison.data_digest = shop.data.digest;
  comparison.task = shop.data.manifest.task;
  comparison.phantom = shop.data.manifest.phantom;
  comparison.classes = shop.data.classes;
  comparison.bootstrap = {static_cast<int>(options.evaluation.bootstrap), 0.95, options.training.seed};
  return comparison;
}

void write_comparison(const Comparison& comparison, const std::filesystem::path& folder) {
  write_file_atomically(folder / "comparison.md", comparison_markdown(comparison));
  write_file_atomically(folder / "comparison.csv", comparison_csv(comparison));
  write_file_atomically(folder / "comparison.json", comparison_json(comparison));
  write_file_atomically(folder / "comparison.html", comparison_html(comparison));
}

}  // namespace

std::string compare(const CompareJob& job, const PreparedData& data, const Communicator& communicator) {
  ClassicalRows classical(job.options, data, at::get_num_threads(), communicator);
  const Workshop shop{job, data, communicator, classical};
  communicator.together([&] {
    check_rows(job.options);
    check_trainable(data, communicator.size());
    if (data.test.size() == 0) throw InvalidInput("training_data", "no test samples to compare the rows on");
    if (!communicator.is_root()) return;
    make_writable_directory(job.folder);
    write_file_atomically(job.folder / "config.yaml", to_yaml(job.options));
  });
  Comparison comparison = empty_comparison(shop);
  for (const std::string& row : job.options.rows) {
    RowResult result = make_row(shop, row);
    if (communicator.is_root()) comparison.rows.push_back(compared(std::move(result)));
  }
  std::string table;
  communicator.together([&] {
    if (!communicator.is_root()) return;
    add_paired_tests(comparison);
    write_comparison(comparison, job.folder);
    table = comparison_markdown(comparison);
  });
  return table;
}

}  // namespace pulmo::training
