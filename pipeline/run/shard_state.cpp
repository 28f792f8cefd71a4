#include "pipeline/run/shard_state.h"

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "core/support/log.h"

namespace pulmo::pipeline {
namespace {

std::filesystem::path state_file(const std::filesystem::path& state, const std::string& shard_file) {
  return state / (shard_file + ".yaml");
}

}  // namespace

YAML::Node to_yaml(const Tally& tally) {
  YAML::Node node(YAML::NodeType::Map);
  for (const auto& [reason, entry] : tally.entries()) {
    YAML::Node item;
    item["count"] = entry.count;
    if (!entry.examples.empty()) item["examples"] = entry.examples;
    node[reason] = item;
  }
  return node;
}

Tally tally_from_yaml(const YAML::Node& node) {
  Tally tally;
  for (const auto& item : node) {
    const auto reason = item.first.as<std::string>();
    std::vector<std::string> examples;
    if (item.second["examples"]) examples = item.second["examples"].as<std::vector<std::string>>();
    auto left = item.second["count"].as<std::int64_t>();
    for (const std::string& example : examples) {
      tally.add(reason, example);
      --left;
    }
    tally.add(reason, "", left);
  }
  return tally;
}

void write_shard_state(const std::filesystem::path& state, const ShardResult& result) {
  YAML::Node node;
  node["samples"] = result.shard.samples;
  node["sha256"] = result.shard.sha256;
  node["counts"] = result.counts;
  node["patients"] = std::vector<std::string>(result.patients.begin(), result.patients.end());
  node["left_out"] = to_yaml(result.left_out);
  node["problems"] = to_yaml(result.problems);
  node["notes"] = to_yaml(result.notes);
  node["statistics"] = to_yaml(result.statistics);
  YAML::Emitter text;
  text << node;
  write_file_atomically(state_file(state, result.shard.file), std::string(text.c_str()) + "\n");
}

std::optional<ShardResult> read_shard_state(const std::filesystem::path& state, const std::string& shard_file) {
  const auto path = state_file(state, shard_file);
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const YAML::Node node = YAML::Load(read_text_file(path));
    ShardResult result;
    result.shard.file = shard_file;
    result.shard.samples = node["samples"].as<std::int64_t>();
    result.shard.sha256 = node["sha256"].as<std::string>();
    result.counts = node["counts"].as<std::map<std::string, std::int64_t>>();
    for (const auto& patient : node["patients"]) result.patients.insert(patient.as<std::string>());
    result.left_out = tally_from_yaml(node["left_out"]);
    result.problems = tally_from_yaml(node["problems"]);
    result.notes = tally_from_yaml(node["notes"]);
    result.statistics = statistics_from_yaml(node["statistics"]);
    return result;
  } catch (const YAML::Exception&) {
    log_warning("a state file cannot be read; its shard is made again", {{"file", path.filename().string()}});
    return std::nullopt;
  }
}

}  // namespace pulmo::pipeline
