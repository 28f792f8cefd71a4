#include "pipeline/run/prepare_images.h"

#include <memory>
#include <set>
#include <utility>

#include "core/support/bytes.h"
#include "core/support/digest.h"
#include "pipeline/input/image_manifest.h"
#include "pipeline/run/image_worker.h"

namespace pulmo::pipeline {
namespace {

/// All that the workers need while they run.
struct ImagesRun {
  std::filesystem::path manifest_path;
  std::string manifest_text;
  ImageManifest manifest;
  ImagesConfig config;
  std::unique_ptr<ByteSource> source;
  std::unique_ptr<ImageTask> task;
};

/// The files and zips that the manifest points to, those that exist.
std::vector<std::filesystem::path> containers_of(const ImagesRun& run) {
  std::set<std::filesystem::path> containers;
  for (const ImageRow& row : run.manifest.rows) {
    for (const std::string* path : {&row.path, &row.mask}) {
      if (path->empty()) continue;
      const auto container = container_of(resolved(run.manifest_path, *path));
      std::error_code unreadable;  // each row says so itself
      if (std::filesystem::is_regular_file(container, unreadable)) containers.insert(container);
    }
  }
  return {containers.begin(), containers.end()};
}

std::map<std::string, std::string> strata_of(const ImageManifest& manifest) {
  std::map<std::string, std::set<std::string>> labels;
  for (const ImageRow& row : manifest.rows) labels[row.patient].insert(row.label);
  std::map<std::string, std::string> strata;
  for (const auto& [patient, theirs] : labels) {
    for (const std::string& label : theirs) strata[patient] += (strata[patient].empty() ? "" : "+") + label;
  }
  return strata;
}

std::array<std::vector<std::size_t>, 3> rows_of_split(const ImageManifest& manifest, const PatientSplit& split,
                                                      Ledger& ledger) {
  std::array<std::vector<std::size_t>, 3> rows;
  for (std::size_t i = 0; i < manifest.rows.size(); ++i) {
    const auto part = split.find(manifest.rows[i].patient);
    if (part == split.end()) {
      ledger.left_out(Scope::kRows, "not_in_split_file");
    } else {
      rows[static_cast<std::size_t>(part->second)].push_back(i);
    }
  }
  return rows;
}

PlannedRun plan_run(const std::shared_ptr<ImagesRun>& run, const PrepareOptions& options) {
  PlannedRun planned;
  RunDraft& draft = planned.draft;
  draft.ledger = Ledger(options.strict);
  draft.ledger.total("rows", static_cast<std::int64_t>(run->manifest.rows.size()));
  for (const Refusal& refusal : run->source->refused()) draft.ledger.problem(refusal.reason, refusal.message);
  run->task.reset(new ImageTask{run->manifest_path, run->manifest, *run->source, run->config});
  const PatientSplit split = split_patients(strata_of(run->manifest), run->config.split);
  planned.jobs_of_split = rows_of_split(run->manifest, split, draft.ledger);

  draft.configuration = to_yaml(run->config);
  draft.job_scope = Scope::kRows;
  draft.deflate = run->config.store.deflate;
  draft.has_lungs = run->task->stores_lungs();
  draft.has_nodules = run->task->stores_nodules();
  draft.split_csv = split_file_text(split);
  Manifest& manifest = draft.manifest;
  manifest.task = run->config.task;
  manifest.source = "images";
  manifest.class_names = run->manifest.class_names;
  manifest.positive_class = run->config.positive_class;
  manifest.spec = run->config.preprocess;
  manifest.shape = {1, 0, manifest.spec.size_px, manifest.spec.size_px};
  manifest.seed = run->config.seed;
  manifest.provenance = provenance_of(draft.configuration);
  manifest.provenance["manifest_sha256"] = sha256_hex(run->manifest_text);

  planned.shard_samples = static_cast<std::size_t>(run->config.store.shard_samples);
  planned.make_worker = [run] { return make_image_worker(*run->task); };
  return planned;
}

}  // namespace

std::optional<RunSummary> prepare_images(const std::filesystem::path& manifest, const ImagesConfig& config,
                                         const PrepareOptions& options) {
  const auto run = std::make_shared<ImagesRun>();
  run->manifest_path = manifest;
  run->manifest_text = read_text_file(manifest);
  run->manifest = parse_image_manifest(run->manifest_text, manifest.string(), config.positive_class);
  run->config = config;
  run->source = std::make_unique<ByteSource>(containers_of(*run));
  const std::string fingerprint =
      fingerprint_of(to_yaml(config), {run->source.get()}, {run->manifest_text, split_file_of(config.split)});
  return run_prepare(options, fingerprint, [&] { return plan_run(run, options); });
}

}  // namespace pulmo::pipeline
