#include "training/row_maker.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/model/network.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "training/ensemble.h"
#include "training/fit.h"
#include "training/run_folder.h"
#include "training/stacks.h"

namespace pulmo::training {
namespace {

constexpr const char* kEnsemble = "ensemble";

bool is_classical(const std::string& row) {
  const auto& names = ClassicalRows::names();
  return std::find(names.begin(), names.end(), row) != names.end();
}

bool is_network(const std::string& row) {
  const auto names = network_names();
  return std::find(names.begin(), names.end(), row) != names.end();
}

// What an ensemble chooses from: the network rows that stand before it.
std::vector<std::string> candidates_of(const CompareOptions& options) {
  std::vector<std::string> rows;
  for (const std::string& row : options.rows) {
    if (row == kEnsemble) break;
    if (is_network(row)) rows.push_back(row);
  }
  return rows;
}

constexpr const char* kBegunWith = "resnet18";  // the row that another can begin with

bool begins_with_row(const FitOptions& options) {
  return options.model.name == "resnet3d" && weights_file(options) == kResnet18Row;
}

void check_order(const std::vector<std::string>& rows, const std::string& row) {
  const auto own = std::find(rows.begin(), rows.end(), row);
  if (std::find(rows.begin(), own, kBegunWith) != own) return;
  throw InvalidInput("configuration", "transfer." + row + ": " + kResnet18Row + " needs the row " + kBegunWith +
                                          " before " + row + " in rows");
}

void check_weights(const CompareOptions& compared, const std::string& row) {
  const FitOptions options = options_of_row(compared, row);
  if (weights_key(row).empty()) return;
  if (begins_with_row(options)) {
    check_order(compared.rows, row);
    return;
  }
  const std::string file = named_weights(options);
  std::error_code unreadable;
  if (file == kNoWeights || std::filesystem::is_regular_file(file, unreadable)) return;
  throw IoError("transfer." + weights_key(row) + ": " + file + " is no file that can be read");
}

}  // namespace

void RowMaker::check_on(const CompareOptions& options, const PreparedData& data) {
  for (const std::string& row : options.rows) {
    if (is_network(row)) {
      FitOptions fit = options_of_row(options, row);
      if (begins_with_row(fit)) fit.transfer.resnet3d = kNoWeights;  // that row's are not there yet
      check_row(fit, data);
    }
    if (row == "svm" || row == "forest") ClassicalRows::check(data);
  }
}

RowMaker::RowMaker(const CompareJob& job, const PreparedData& data, std::filesystem::path folder,
                   FeatureStore& features, const Communicator& communicator)
    : job_(job),
      data_(data),
      folder_(std::move(folder)),
      communicator_(communicator),
      features_(features),
      classical_(job.options, data, at::get_num_threads(), features, communicator) {}

void RowMaker::check(const CompareOptions& options) {
  for (const std::string& row : options.rows) {
    if (is_classical(row) || is_network(row)) continue;
    if (row == kEnsemble) {
      if (candidates_of(options).size() >= 2) continue;
      throw InvalidInput("configuration", "rows: the ensemble averages networks: name two of them before it");
    }
    std::string known = kEnsemble;
    for (const auto& names : {ClassicalRows::names(), network_names()}) {
      for (const std::string& name : names) known.append(known.empty() ? "" : ", ").append(name);
    }
    throw InvalidInput("configuration", "rows: unknown row '" + row + "'; known: " + known);
  }
  if (std::find(options.rows.begin(), options.rows.end(), options.reference) == options.rows.end()) {
    throw InvalidInput("configuration", "reference: '" + options.reference + "' is not among the rows");
  }
  for (const auto& [row, settings] : options.row_settings) {
    if (is_network(row)) continue;
    throw InvalidInput("configuration",
                       "row_settings: '" + row + "' is no network row; svm and forest have their own keys");
  }
  if (options.folds == 1)
    throw InvalidInput("configuration", "folds: 1 leaves nothing to train on; use 0 or at least 2");
  for (const std::string& row : options.rows) check_weights(options, row);
  for (const std::string& row : options.rows) {
    if (std::count(options.rows.begin(), options.rows.end(), row) > 1) {
      throw InvalidInput("configuration", "rows: '" + row + "' stands there twice");
    }
  }
}

FitJob RowMaker::network_job(const std::string& row) const {
  FitJob job;
  job.options = options_of_row(job_.options, row);
  if (begins_with_row(job.options)) job.options.transfer.resnet3d = folder_ / kBegunWith / "bundle.pt";
  job.folder = folder_ / row;
  job.fresh = job_.fresh;
  job.progress = job_.progress;
  job.interrupted = job_.interrupted;
  job.watch = job_.watch;
  return job;
}

std::string RowMaker::identity_of(const std::string& row) const {
  if (row == kEnsemble) {
    std::string members;
    for (const std::string& one : candidates_of(job_.options)) members += one + " " + identity_of(one) + "\n";
    const SliceWeights weights = job_.options.fit.evaluation.slice_weights;
    if (weights != SliceWeights::kEqual) members += "weights " + std::string(to_string(weights)) + "\n";
    return sha256_hex("ensemble of\n" + members);
  }
  if (!is_network(row)) return classical_identity(row, job_.options, data_.identity());
  const FitOptions options = network_job(row).options;
  return run_identity(options, identity_for(options, data_));
}

RowResult RowMaker::make_classical(const std::string& row, const std::string& identity) {
  const FitOptions& options = job_.options.fit;
  open_run_folder(folder_ / row, job_.fresh, communicator_);
  TrainedModel model = classical_.train(row);
  model.identity = identity;
  const Judging judging{options.evaluation, options.training.seed, at::get_num_threads(), job_.interrupted, {},
                        &features_};
  return finish_model(model, data_, folder_ / row, judging, communicator_);
}

RowResult RowMaker::make_ensemble_row(const std::string& identity) {
  const FitOptions& options = job_.options.fit;
  const Device device = set_up_device(options.compute.device, communicator_);
  open_run_folder(folder_ / kEnsemble, job_.fresh, communicator_);
  TrainedModel model =
      make_ensemble(candidates_of(job_.options), folder_, data_, options.evaluation.slice_weights, communicator_);
  model.identity = identity;
  const Judging judging{options.evaluation, options.training.seed, at::get_num_threads(), job_.interrupted, device};
  return finish_model(model, data_, folder_ / kEnsemble, judging, communicator_);
}

RowResult RowMaker::make(const std::string& row) {
  std::string identity;
  communicator_.together([&] { identity = identity_of(row); });
  std::optional<RowResult> done;
  communicator_.together([&] {
    if (job_.fresh || !communicator_.is_root()) return;
    done = read_result(folder_ / row, data_, identity, job_.options.fit.evaluation);
    if (done) log_info("row taken over from an earlier run", {{"row", row}});
  });
  if (communicator_.max(std::uint64_t{done ? 1U : 0U}) != 0) return done ? std::move(*done) : RowResult{};
  if (job_.interrupted()) {
    throw Interrupted("stopped by a signal before the row " + row + ": run the same command again to go on");
  }
  if (row == kEnsemble) return make_ensemble_row(identity);
  if (is_network(row)) return fit(network_job(row), data_, communicator_);
  return make_classical(row, identity);
}

}  // namespace pulmo::training
