#include "pipeline/run/prepare_run.h"

#include <utility>

#include "core/support/atomic_file.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/version.h"
#include "pipeline/inspection/run_report.h"

namespace pulmo::pipeline {
namespace {

void flatten(const YAML::Node& node, const std::string& path, std::map<std::string, std::string>& values) {
  for (const auto& item : node) {
    const std::string key = path + "." + item.first.as<std::string>();
    if (item.second.IsMap()) {
      flatten(item.second, key, values);
    } else {
      values[key] = item.second.as<std::string>();
    }
  }
}

RunSummary summary_of(const std::filesystem::path& directory) {
  RunSummary summary;
  summary.manifest = read_manifest(directory);
  for (const Split which : kSplits) summary.samples += summary.manifest.split(which).samples();
  return summary;
}

std::int64_t problems_of_report(const std::filesystem::path& directory) {
  const auto report = read_run_report(directory);
  return report ? sum_of(report->problems) : 0;
}

std::int64_t problems_of_finished(const std::vector<ShardPlan>& plans, const ShardRunOptions& options) {
  std::int64_t problems = 0;
  for (const ShardPlan& plan : plans) {
    if (const auto result = read_shard_result(plan, options)) problems += result->problems.total();
  }
  return problems;
}

/// What an earlier run went on after would have ended a strict one. Its work is kept.
void refuse_recorded(std::int64_t problems, const std::filesystem::path& directory) {
  if (problems == 0) return;
  throw InvalidInput("output", directory.string() + " was prepared past " + std::to_string(problems) +
                                   (problems == 1 ? " problem" : " problems") +
                                   " with its input, by an earlier run without --strict: leave --strict out to keep "
                                   "it, or mend the input and begin anew with --force");
}

std::vector<ShardPlan> plans_of_part(const std::vector<ShardPlan>& plans, const PrepareOptions& options) {
  std::vector<ShardPlan> mine;
  for (std::size_t i = options.part - 1; i < plans.size(); i += options.parts) mine.push_back(plans[i]);
  return mine;
}

std::string part_name(const PrepareOptions& options) {
  if (options.parts == 1) return "";
  return "part-" + std::to_string(options.part) + "-of-" + std::to_string(options.parts);
}

}  // namespace

std::string fingerprint_of(const YAML::Node& configuration, const std::vector<const ByteSource*>& sources,
                           const std::vector<std::string>& contents) {
  YAML::Emitter text;
  text << configuration;
  Sha256 digest;
  digest.update(as_bytes(std::string(version()) + "\n" + text.c_str() + "\n"));
  for (const ByteSource* source : sources) {
    for (const SourceEntry& entry : source->entries()) {
      digest.update(as_bytes(entry.name + "\t" + std::to_string(entry.size_bytes) + "\n"));
    }
    digest.update(as_bytes("\n"));
  }
  for (const std::string& content : contents) digest.update(as_bytes(sha256_hex(content) + "\n"));
  return digest.hex();
}

std::map<std::string, std::string> provenance_of(const YAML::Node& configuration) {
  std::map<std::string, std::string> values;
  for (const auto& item : configuration) {
    const auto key = item.first.as<std::string>();
    if (item.second.IsMap() && key != "preprocess" && key != "store") flatten(item.second, key, values);
  }
  return values;
}

std::optional<RunSummary> run_prepare(const PrepareOptions& options, const std::string& fingerprint,
                                      const std::function<PlannedRun()>& plan) {
  OutputFolder folder(options.output, part_name(options));
  if (options.force && options.parts == 1) folder.discard();  // the parts of a job array share what one of them made
  if (folder.claim(fingerprint, options.force)) {
    if (options.strict) refuse_recorded(problems_of_report(options.output), options.output);
    log_info("already prepared from the same input with the same configuration", {{"folder", options.output.string()}});
    remove_abandoned(options.output, {"report.html"});  // which a run writes last, after the manifest
    if (!std::filesystem::exists(options.output / "report.html")) write_report_page(options.output);
    if (options.parts == 1) folder.clear_state();  // a run that was killed at its very end leaves it
    return summary_of(options.output);
  }
  PlannedRun run = plan();
  run.draft.fingerprint = fingerprint;
  run.draft.shards = cut_shards(run.jobs_of_split, run.shard_samples);
  write_draft(folder.state(), run.draft);
  const std::vector<ShardPlan> mine = plans_of_part(run.draft.shards, options);
  const ShardRunOptions shard_options{folder.directory(), folder.state(), options.threads, options.strict};
  if (options.strict) refuse_recorded(problems_of_finished(mine, shard_options), options.output);
  try {
    const auto results = run_shards(mine, run.draft.shard_info(), shard_options, run.make_worker);
    if (options.parts > 1) return std::nullopt;
    return finish_run(folder, run.draft, results);
  } catch (const InvalidInput&) {
    if (options.parts == 1) folder.discard();
    throw;
  }
}

RunSummary merge_parts(const std::filesystem::path& directory) {
  if (std::filesystem::exists(directory / "manifest.yaml")) {
    throw InvalidInput("output", directory.string() + " is finished already; there is nothing to merge");
  }
  OutputFolder folder(directory);
  if (!has_draft(folder.state())) {
    throw InvalidInput("output", directory.string() + " holds no unfinished run; run pulmo-prepare with --part first");
  }
  const RunDraft draft = read_draft(folder.state());
  std::vector<ShardResult> results;
  std::string missing;
  for (const ShardPlan& plan : draft.shards) {
    auto result = read_shard_result(plan, {folder.directory(), folder.state(), 1, false});
    if (result) {
      results.push_back(std::move(*result));
    } else {
      missing += (missing.empty() ? "" : ", ") + plan.file;
    }
  }
  if (!missing.empty()) throw InvalidInput("output", directory.string() + ": shards are missing: " + missing);
  return finish_run(folder, draft, results);
}

}  // namespace pulmo::pipeline
