#include <nlohmann/json.hpp>

#include "pipeline/inspection/inspect.h"
#include "pipeline/inspection/run_report.h"
#include "pipeline/inspection/summary.h"

namespace pulmo::pipeline {
namespace {

using Json = nlohmann::ordered_json;

Json count_json(const SampleCount& tally) {
  return {{"samples", tally.samples},
          {"patients", tally.patients.size()},
          {"series", tally.series.size()},
          {"groups", tally.groups.size()}};
}

Json split_json(const SplitSummary& split, const std::vector<std::string>& names) {
  Json json = count_json(split.all);
  json["bytes"] = split.bytes;
  json["classes"] = Json::object();
  for (std::size_t k = 0; k < names.size(); ++k) json["classes"][names[k]] = count_json(split.classes[k]);
  return json;
}

Json shards_json(const std::vector<ManifestShard>& shards) {
  Json list = Json::array();
  for (const ManifestShard& shard : shards) {
    list.push_back({{"file", shard.file}, {"samples", shard.samples}, {"sha256", shard.sha256}});
  }
  return list;
}

// Counts by reason; examples stay in report.yaml, since they name files.
Json reasons_json(const std::vector<CountedReason>& reasons) {
  Json json = Json::object();
  for (const CountedReason& entry : reasons) json[entry.reason] = entry.count;
  return json;
}

Json distribution_json(const Distribution& distribution) {
  Json counts = Json::array();
  for (const auto& [bin, count] : distribution.counts()) {
    counts.push_back({std::stod(plain_number(static_cast<double>(bin) * distribution.bin())), count});
  }
  return {{"bin", distribution.bin()}, {"counts", std::move(counts)}};
}

Json report_json(const RunReport& report) {
  Json json = {{"totals", report.totals}, {"left_out", Json::object()}};
  for (const auto& [scope, reasons] : report.left_out) json["left_out"][scope] = reasons_json(reasons);
  json["problems"] = reasons_json(report.problems);
  json["notes"] = reasons_json(report.notes);
  json["statistics"] = Json::object();
  for (const auto& [measure, distributions] : report.statistics.values) {
    for (const auto& [by, distribution] : distributions) {
      json["statistics"][measure][by] = distribution_json(distribution);
    }
  }
  json["scanners"] = report.statistics.scanners;
  return json;
}

}  // namespace

std::string describe_json(const std::filesystem::path& directory) {
  const Summary summary = summarise(directory);
  const Manifest& manifest = summary.data.manifest;
  Json json;
  json["task"] = manifest.task;
  json["source"] = manifest.source;
  json["phantom"] = manifest.phantom;
  json["class_names"] = manifest.class_names;
  json["positive_class"] = manifest.positive_class;
  json["shape"] = {{"channels", manifest.shape.channels},
                   {"depth", manifest.shape.depth},
                   {"height", manifest.shape.height},
                   {"width", manifest.shape.width}};
  json["masks"] = {{"lungs", summary.data.has_lungs()}, {"nodules", summary.data.has_nodules()}};
  json["seed"] = manifest.seed;
  json["data_digest"] = manifest.data_digest();
  json["spec_sha256"] = spec_digest(manifest.spec);
  json["spec"] = Json::parse(spec_to_json(manifest.spec));
  json["provenance"] = manifest.provenance;
  for (std::size_t s = 0; s < kSplits.size(); ++s) {
    Json split = split_json(summary.splits[s], manifest.class_names);
    split["shards"] = shards_json(manifest.split(kSplits[s]).shards);
    json["splits"][summary.splits[s].name] = std::move(split);
  }
  json["total"] = split_json(summary.total(), manifest.class_names);
  if (const auto report = read_run_report(directory)) json["report"] = report_json(*report);
  return json.dump(2) + "\n";
}

}  // namespace pulmo::pipeline
