#include "pipeline/run/finish.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>

#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "core/support/version.h"
#include "pipeline/inspection/collection_page.h"
#include "pipeline/run/shard_state.h"

namespace pulmo::pipeline {
namespace {

constexpr int kReportFormatVersion = 1;

Manifest manifest_of(const RunDraft& draft, const std::vector<ShardResult>& shards) {
  Manifest manifest = draft.manifest;
  manifest.provenance["fingerprint"] = draft.fingerprint;
  std::array<std::set<std::string>, 3> patients;
  for (const Split which : kSplits) {
    for (const std::string& name : manifest.class_names) manifest.split(which).counts[name] = 0;
  }
  for (const ShardResult& result : shards) {
    if (result.shard.samples == 0) continue;
    ManifestSplit& split = manifest.split(result.split);
    split.shards.push_back(result.shard);
    for (const auto& [name, count] : result.counts) split.counts[name] += count;
    patients[static_cast<std::size_t>(result.split)].insert(result.patients.begin(), result.patients.end());
  }
  for (const Split which : kSplits) {
    const auto& names = patients[static_cast<std::size_t>(which)];
    manifest.split(which).patients.assign(names.begin(), names.end());
  }
  return manifest;
}

Ledger whole_ledger(const RunDraft& draft, const std::vector<ShardResult>& shards) {
  Ledger ledger = draft.ledger;
  for (const ShardResult& result : shards) {
    ledger.left_out(draft.job_scope, result.left_out);
    ledger.merge_problems(result.problems);
    ledger.merge_notes(result.notes);
  }
  return ledger;
}

YAML::Node samples_node(const Manifest& manifest) {
  YAML::Node node;
  for (const Split which : kSplits) {
    const ManifestSplit& split = manifest.split(which);
    YAML::Node part;
    part["patients"] = split.patients.size();
    part["samples"] = split.samples();
    for (const std::string& name : manifest.class_names) part["classes"][name] = split.counts.at(name);
    node[std::string(to_string(which))] = part;
  }
  return node;
}

std::string reasons_text(const Ledger& ledger, Scope scope) {
  std::map<std::string, std::int64_t> counts;  // a broken file may be both a problem and left out
  for (const Tally* tally : {&ledger.problems(), &ledger.left_out(scope)}) {
    for (const auto& [reason, entry] : tally->entries()) counts[reason] = std::max(counts[reason], entry.count);
  }
  std::string text;
  for (const auto& [reason, count] : counts) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + reason;
  }
  return text.empty() ? "the input is empty" : text;
}

}  // namespace

std::string report_text(const RunDraft& draft, const std::vector<ShardResult>& shards) {
  const Ledger ledger = whole_ledger(draft, shards);
  const Manifest manifest = manifest_of(draft, shards);
  YAML::Node node;
  node["format_version"] = kReportFormatVersion;
  node["pulmo_version"] = std::string(version());
  node["source"] = manifest.source;
  node["configuration"] = draft.configuration;
  node["totals"] = ledger.totals();
  node["samples"] = samples_node(manifest);
  for (const Scope scope : kScopes) {
    if (ledger.left_out(scope).entries().empty()) continue;
    node["left_out"][std::string(to_string(scope))] = to_yaml(ledger.left_out(scope));
  }
  node["problems"] = to_yaml(ledger.problems());
  node["notes"] = to_yaml(ledger.notes());
  Statistics statistics = draft.statistics;
  for (const ShardResult& result : shards) statistics.merge(result.statistics);
  node["statistics"] = to_yaml(statistics);
  YAML::Emitter text;
  text << node;
  return "# What pulmo-prepare made of its input; left_out and problems are counted by reason (docs/prepare.md).\n" +
         std::string(text.c_str()) + "\n";
}

void write_report_page(const std::filesystem::path& directory) {
  write_collection_page(directory, directory / "report.html");
}

RunSummary finish_run(OutputFolder& folder, const RunDraft& draft, const std::vector<ShardResult>& shards) {
  RunSummary summary;
  summary.manifest = manifest_of(draft, shards);
  for (const Split which : kSplits) summary.samples += summary.manifest.split(which).samples();
  const Ledger ledger = whole_ledger(draft, shards);
  summary.problems = ledger.problems().total();
  if (summary.samples == 0) {
    folder.clear_state();
    throw InvalidInput("no_samples", "no sample was made: " + reasons_text(ledger, draft.job_scope));
  }
  write_file_atomically(folder.directory() / "split.csv", draft.split_csv);
  write_file_atomically(folder.directory() / "report.yaml", report_text(draft, shards));
  write_manifest(folder.directory(), summary.manifest);
  write_report_page(folder.directory());
  folder.clear_state();
  return summary;
}

}  // namespace pulmo::pipeline
