#include "pipeline/run/prepare_lidc.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/support/error.h"
#include "pipeline/lidc/catalogue.h"
#include "pipeline/plan/nodule_plan.h"
#include "pipeline/plan/slice_plan.h"
#include "pipeline/run/nodule_worker.h"
#include "pipeline/run/sample_statistics.h"
#include "pipeline/run/slice_worker.h"

namespace pulmo::pipeline {
namespace {

constexpr std::string_view kPhantomManufacturer = "pulmo phantom";

/// All that the workers need while they run.
struct LidcRun {
  explicit LidcRun(const LidcInput& input) : images(input.images), annotations(input.annotations) {}

  ByteSource images;
  ByteSource annotations;
  LidcConfig config;
  std::vector<ReadSeries> archive;
  SlicePlan slices;    // of task slice
  NodulePlan nodules;  // of task nodule
  std::unique_ptr<SliceTask> slice_task;
  std::unique_ptr<NoduleTask> nodule_task;
};

[[noreturn]] void refuse_empty(const std::string& reason, const std::string& what, const Ledger& ledger) {
  std::string why;
  for (const Tally* tally : {&ledger.problems(), &ledger.left_out(Scope::kFiles), &ledger.left_out(Scope::kReadings)}) {
    for (const auto& [name, entry] : tally->entries()) why += ", " + std::to_string(entry.count) + " " + name;
  }
  throw InvalidInput(reason, "the input holds no " + what + " (" +
                                 std::to_string(ledger.totals().count("files") ? ledger.totals().at("files") : 0) +
                                 " files" + why + ")");
}

bool all_phantom(const std::vector<ReadSeries>& archive) {
  return std::all_of(archive.begin(), archive.end(), [](const ReadSeries& read) {
    return read.series.manufacturer.substr(0, kPhantomManufacturer.size()) == kPhantomManufacturer;
  });
}

void read_archive(LidcRun& run, std::size_t threads, Ledger& ledger) {
  auto readings = read_readings(run.annotations, threads, ledger);
  if (readings.empty()) refuse_empty("no_annotations", "LIDC annotation of a CT series", ledger);
  auto catalogue = read_catalogue(run.images, threads, ledger);
  if (catalogue.empty()) refuse_empty("no_series", "CT series", ledger);
  run.archive = match_readings(std::move(catalogue), std::move(readings), threads, ledger);
  if (run.archive.empty()) {
    throw InvalidInput("no_series", "none of the " + std::to_string(ledger.totals().at("series")) +
                                        " CT series belongs to one of the " +
                                        std::to_string(ledger.totals().at("readings")) + " readings");
  }
}

void plan_slice_task(const std::shared_ptr<LidcRun>& run, PlannedRun& planned) {
  RunDraft& draft = planned.draft;
  run->slices = plan_slices(run->archive, run->config, draft.ledger);
  run->slice_task.reset(new SliceTask{run->images, run->archive, run->slices, run->config});
  draft.job_scope = Scope::kSlices;
  draft.has_lungs = run->slice_task->stores_lungs();
  draft.has_nodules = run->slice_task->stores_nodules();
  draft.split_csv = split_file_text(run->slices.split);
  draft.manifest.class_names = run->slices.class_names;
  planned.jobs_of_split = run->slices.jobs_of_split;
  planned.make_worker = [run] { return make_slice_worker(*run->slice_task); };
}

void plan_nodule_task(const std::shared_ptr<LidcRun>& run, PlannedRun& planned) {
  RunDraft& draft = planned.draft;
  run->nodules = plan_nodules(run->archive, run->config, draft.ledger);
  run->nodule_task.reset(new NoduleTask{run->images, run->archive, run->nodules, run->config});
  const bool volumes = run->config.nodule.dimensions == 3;
  draft.job_scope = volumes ? Scope::kNodules : Scope::kPatches;
  draft.has_nodules = run->config.store.masks;
  draft.split_csv = split_file_text(run->nodules.split);
  draft.manifest.class_names = run->nodules.class_names;
  if (volumes) draft.manifest.shape.depth = run->config.preprocess.size_px;
  planned.jobs_of_split = run->nodules.jobs_of_split;
  planned.make_worker = [run] { return make_nodule_worker(*run->nodule_task); };
}

PlannedRun plan_run(const std::shared_ptr<LidcRun>& run, const PrepareOptions& options) {
  PlannedRun planned;
  RunDraft& draft = planned.draft;
  draft.ledger = Ledger(options.strict);
  read_archive(*run, options.threads, draft.ledger);
  for (const ReadSeries& read : run->archive) count_series(read, run->config.labels.rule, draft.statistics);
  draft.configuration = to_yaml(run->config);
  draft.deflate = run->config.store.deflate;
  Manifest& manifest = draft.manifest;
  manifest.task = run->config.task;
  manifest.source = "lidc";
  manifest.spec = run->config.preprocess;
  manifest.shape = {1, 0, manifest.spec.size_px, manifest.spec.size_px};
  manifest.seed = run->config.seed;
  manifest.phantom = all_phantom(run->archive);
  manifest.provenance = provenance_of(draft.configuration);
  planned.shard_samples = static_cast<std::size_t>(run->config.store.shard_samples);
  run->config.task == "nodule" ? plan_nodule_task(run, planned) : plan_slice_task(run, planned);
  manifest.positive_class = manifest.class_names.back();
  return planned;
}

}  // namespace

std::optional<RunSummary> prepare_lidc(const LidcInput& input, const LidcConfig& config,
                                       const PrepareOptions& options) {
  const auto run = std::make_shared<LidcRun>(input);
  run->config = config;
  const std::string fingerprint = fingerprint_of(to_yaml(config), {&run->images, &run->annotations},
                                                 {split_file_of(config.split), digest_of_readings(run->annotations)});
  return run_prepare(options, fingerprint, [&] { return plan_run(run, options); });
}

}  // namespace pulmo::pipeline
