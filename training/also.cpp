#include "training/also.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <set>
#include <utility>

#include "core/model/predictor.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "training/evaluation/fold_pool.h"
#include "training/fit.h"
#include "training/scoring.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;

Dataset of_test_patients(const PreparedData& from, const Dataset& test) {
  std::set<std::string> patients;
  for (std::int64_t i = 0; i < test.size(); ++i) patients.insert(test.patient(i));
  return Dataset::of_patients(Split::kTest, {&from.train, &from.validation, &from.test}, patients);
}

RunFacts facts_of(const CompareJob& job, const AlsoData& also, const Predictor& predictor, int ranks) {
  const BundleMetadata& metadata = predictor.metadata();
  RunFacts facts;
  facts.row = metadata.row;
  facts.task = also.data.manifest.task;
  facts.classes = also.data.classes;
  facts.threshold = metadata.threshold;
  facts.temperature = metadata.temperature;
  facts.phantom = also.data.manifest.phantom || metadata.phantom;
  facts.data_digest = also.data.digest;
  facts.bundle_sha256 = predictor.sha256();
  facts.ranks = ranks;
  facts.slice_weights = job.options.fit.evaluation.slice_weights;
  facts.bootstrap = {static_cast<int>(job.options.fit.evaluation.bootstrap), 0.95, job.options.fit.training.seed};
  return facts;
}

FoldResult judge_round(const CompareJob& job, const AlsoData& also, const AlsoRound& round, const std::string& row,
                       const Communicator& communicator) {
  if (job.interrupted()) throw Interrupted("stopped by a signal before " + also.name + ": run the same command again");
  const Device device = set_up_device(job.options.fit.compute.device, communicator);
  std::shared_ptr<const Predictor> predictor;
  std::unique_ptr<Dataset> dataset;
  communicator.together([&] {
    predictor = load_predictor(round.folder / row / "bundle.pt", at::get_num_threads(), device);
    dataset = std::make_unique<Dataset>(of_test_patients(also.data, round.data->test));
    if (dataset->size() > 0) return;
    throw InvalidInput("training_data", also.data.directory.string() + ": holds no sample of the test patients");
  });
  auto samples = score(*predictor, *dataset, communicator, job.options.fit.evaluation.batch_size);
  RunReport report;
  if (communicator.is_root()) {
    report = make_report(facts_of(job, also, *predictor, communicator.size()), {{"test", samples}});
  }
  return {std::move(report), std::move(samples)};
}

ComparedRow finish_row(const CompareJob& job, std::vector<FoldResult> folds, const fs::path& folder) {
  const bool pooled = job.options.folds > 0;
  ComparedRow row;
  if (pooled) {
    PooledFolds pool = pool_folds(folds);
    row.report = std::move(pool.report);
    row.test = std::move(pool.test);
    for (FoldResult& fold : folds) row.folds.push_back(std::move(fold.report));
  } else {
    row.report = std::move(folds.front().report);
    row.test = std::move(folds.front().test);
  }
  make_writable_directory(folder);
  write_predictions(folder / "predictions.csv", row.report.facts.classes, {{"test", row.test}}, pooled);
  write_file_atomically(folder / "metrics.json", to_json(row.report));
  return row;
}

}  // namespace

void check_also(const AlsoData& also, const PreparedData& trained) {
  const auto refuse = [&](const std::string& problem) {
    throw InvalidInput("configuration", "--also " + also.name + "=" + also.data.directory.string() + ": " + problem);
  };
  const bool plain = std::all_of(also.name.begin(), also.name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
  });
  if (also.name.empty() || !plain) refuse("the name may hold letters, digits, - and _ only");
  if (also.data.classes.names != trained.classes.names || also.data.classes.positive != trained.classes.positive) {
    refuse("its classes are not those of " + trained.directory.string());
  }
  if (also.data.manifest.spec != trained.manifest.spec || also.data.manifest.shape != trained.manifest.shape) {
    refuse("it was prepared with another preprocessing than " + trained.directory.string());
  }
}

std::vector<ComparedRow> judge_also(const CompareJob& job, const AlsoData& also, const std::vector<AlsoRound>& rounds,
                                    const fs::path& folder, const Communicator& communicator) {
  std::vector<ComparedRow> rows;
  for (const std::string& row : job.options.rows) {
    std::vector<FoldResult> folds;
    for (const AlsoRound& round : rounds) folds.push_back(judge_round(job, also, round, row, communicator));
    communicator.together([&] {
      if (communicator.is_root()) rows.push_back(finish_row(job, std::move(folds), folder / row));
    });
  }
  return rows;
}

}  // namespace pulmo::training
