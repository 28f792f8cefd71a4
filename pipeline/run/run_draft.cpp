#include "pipeline/run/run_draft.h"

#include <map>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "pipeline/run/shard_state.h"

namespace pulmo::pipeline {
namespace {

constexpr const char* kFile = "run.yaml";

YAML::Node to_yaml(const Ledger& ledger) {
  YAML::Node node;
  node["totals"] = ledger.totals();
  node["problems"] = to_yaml(ledger.problems());
  node["notes"] = to_yaml(ledger.notes());
  for (const Scope scope : kScopes) node["left_out"][std::string(to_string(scope))] = to_yaml(ledger.left_out(scope));
  return node;
}

Ledger ledger_from_yaml(const YAML::Node& node) {
  Ledger ledger;
  for (const auto& [name, value] : node["totals"].as<std::map<std::string, std::int64_t>>()) ledger.total(name, value);
  ledger.merge_problems(tally_from_yaml(node["problems"]));
  ledger.merge_notes(tally_from_yaml(node["notes"]));
  for (const Scope scope : kScopes) {
    ledger.left_out(scope, tally_from_yaml(node["left_out"][std::string(to_string(scope))]));
  }
  return ledger;
}

YAML::Node to_yaml(const Manifest& manifest) {
  YAML::Node node;
  node["task"] = manifest.task;
  node["source"] = manifest.source;
  node["class_names"] = manifest.class_names;
  node["positive_class"] = manifest.positive_class;
  const SampleShape& shape = manifest.shape;
  node["shape"] = std::vector<std::int64_t>{shape.channels, shape.depth, shape.height, shape.width};
  node["spec"] = spec_to_json(manifest.spec);
  node["seed"] = manifest.seed;
  node["phantom"] = manifest.phantom;
  node["provenance"] = manifest.provenance;
  return node;
}

Manifest manifest_from_yaml(const YAML::Node& node) {
  Manifest manifest;
  manifest.task = node["task"].as<std::string>();
  manifest.source = node["source"].as<std::string>();
  manifest.class_names = node["class_names"].as<std::vector<std::string>>();
  manifest.positive_class = node["positive_class"].as<std::string>();
  const auto shape = node["shape"].as<std::vector<std::int64_t>>();
  manifest.shape = {shape.at(0), shape.at(1), shape.at(2), shape.at(3)};
  manifest.spec = spec_from_json(node["spec"].as<std::string>());
  manifest.seed = node["seed"].as<std::uint64_t>();
  manifest.phantom = node["phantom"].as<bool>();
  manifest.provenance = node["provenance"].as<std::map<std::string, std::string>>();
  return manifest;
}

RunDraft draft_from_yaml(const YAML::Node& node) {
  RunDraft draft;
  draft.fingerprint = node["fingerprint"].as<std::string>();
  draft.manifest = manifest_from_yaml(node["manifest"]);
  draft.deflate = node["deflate"].as<int>();
  draft.has_lungs = node["has_lungs"].as<bool>();
  draft.has_nodules = node["has_nodules"].as<bool>();
  for (const auto& item : node["shards"]) {
    const auto split = static_cast<Split>(item["split"].as<int>());
    draft.shards.push_back({split, item["file"].as<std::string>(), {}});
  }
  draft.split_csv = node["split_csv"].as<std::string>();
  draft.job_scope = static_cast<Scope>(node["job_scope"].as<int>());
  draft.configuration = node["configuration"];
  draft.ledger = ledger_from_yaml(node["ledger"]);
  draft.statistics = statistics_from_yaml(node["statistics"]);
  return draft;
}

}  // namespace

ShardInfo RunDraft::shard_info() const {
  ShardInfo info;
  info.shape = manifest.shape;
  info.task = manifest.task;
  info.class_names = manifest.class_names;
  info.spec_json = spec_to_json(manifest.spec);
  info.spec_sha256 = spec_digest(manifest.spec);
  info.has_lungs = has_lungs;
  info.has_nodules = has_nodules;
  info.deflate_level = deflate;
  return info;
}

void write_draft(const std::filesystem::path& state, const RunDraft& draft) {
  YAML::Node node;
  node["fingerprint"] = draft.fingerprint;
  node["manifest"] = to_yaml(draft.manifest);
  node["deflate"] = draft.deflate;
  node["has_lungs"] = draft.has_lungs;
  node["has_nodules"] = draft.has_nodules;
  node["shards"] = YAML::Node(YAML::NodeType::Sequence);
  for (const ShardPlan& plan : draft.shards) {
    YAML::Node item;
    item["file"] = plan.file;
    item["split"] = static_cast<int>(plan.split);
    node["shards"].push_back(item);
  }
  node["split_csv"] = draft.split_csv;
  node["job_scope"] = static_cast<int>(draft.job_scope);
  node["configuration"] = draft.configuration;
  node["ledger"] = to_yaml(draft.ledger);
  node["statistics"] = to_yaml(draft.statistics);
  YAML::Emitter text;
  text << node;
  write_file_atomically(state / kFile, std::string(text.c_str()) + "\n");
}

RunDraft read_draft(const std::filesystem::path& state) {
  const std::string text = read_text_file(state / kFile);
  try {
    return draft_from_yaml(YAML::Load(text));
  } catch (const std::exception& error) {
    throw InvalidInput("output", (state / kFile).string() + " is damaged (" + error.what() +
                                     "); start again with --force or another output folder");
  }
}

bool has_draft(const std::filesystem::path& state) {
  return std::filesystem::exists(state / kFile);
}

}  // namespace pulmo::pipeline
