#include "pipeline/inspection/inspect.h"

#include <iomanip>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <utility>

#include "pipeline/inspection/prepared_data.h"

namespace pulmo::pipeline {
namespace {

using Json = nlohmann::ordered_json;

// Distinct values are kept, so that counts of several shards can be joined.
struct Tally {
  std::int64_t samples = 0;
  std::set<std::string> patients;
  std::set<std::string> series;
  std::set<std::string> groups;

  void add(const ShardReader& shard, std::size_t index) {
    ++samples;
    patients.insert(shard.patients()[index]);
    series.insert(shard.series()[index]);
    groups.insert(shard.groups()[index]);
  }
};

struct SplitSummary {
  std::string name;
  Tally all;
  std::vector<Tally> classes;  // K
  std::int64_t bytes = 0;
};

struct Summary {
  PreparedData data;
  std::vector<SplitSummary> splits;  // train, validation, test, total
};

void add(SplitSummary& summary, const std::vector<ShardReader>& shards) {
  for (const ShardReader& shard : shards) {
    for (std::size_t i = 0; i < shard.labels().size(); ++i) {
      summary.all.add(shard, i);
      summary.classes[shard.labels()[i]].add(shard, i);
    }
    summary.bytes += static_cast<std::int64_t>(std::filesystem::file_size(shard.path()));
  }
}

Summary summarise(const std::filesystem::path& directory) {
  Summary summary{open_prepared(directory), {}};
  const std::vector<Tally> none(summary.data.manifest.class_names.size());
  SplitSummary total{"total", {}, none, 0};
  for (const Split which : kSplits) {
    SplitSummary& split = summary.splits.emplace_back(SplitSummary{std::string(to_string(which)), {}, none, 0});
    add(split, summary.data.split(which));
    add(total, summary.data.split(which));
  }
  summary.splits.push_back(std::move(total));
  return summary;
}

std::string shape_text(const SampleShape& shape) {
  std::string text = std::to_string(shape.channels);
  if (shape.depth > 0) text += " x " + std::to_string(shape.depth);
  return text + " x " + std::to_string(shape.height) + " x " + std::to_string(shape.width);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : ", ").append(word);
  return text;
}

std::string masks_text(const PreparedData& data) {
  std::vector<std::string> masks;
  if (data.has_lungs()) masks.emplace_back("lungs");
  if (data.has_nodules()) masks.emplace_back("nodules");
  return masks.empty() ? "no masks stored" : "masks stored: " + joined(masks);
}

std::string mebibytes(std::int64_t bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << static_cast<double>(bytes) / (1024.0 * 1024.0) << " MiB";
  return text.str();
}

// Every column as wide as its widest cell; numbers to the right.
void write_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      out << "  " << (c == 0 ? std::left : std::right) << std::setw(static_cast<int>(widths[c])) << row[c];
    }
    out << "\n";
  }
}

void write_pairs(std::ostream& out, const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::size_t width = 0;
  for (const auto& [key, value] : pairs) width = std::max(width, key.size());
  for (const auto& [key, value] : pairs)
    out << "  " << std::left << std::setw(static_cast<int>(width)) << key << "  " << value << "\n";
}

void write_splits(std::ostream& out, const Summary& summary) {
  const auto& names = summary.data.manifest.class_names;
  std::vector<std::vector<std::string>> rows = {{"split"}};
  rows[0].insert(rows[0].end(), names.begin(), names.end());
  for (const char* column : {"samples", "patients", "series", "groups", "size"}) rows[0].emplace_back(column);
  for (const SplitSummary& split : summary.splits) {
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(split.name);
    for (const Tally& tally : split.classes) row.push_back(std::to_string(tally.samples));
    row.push_back(std::to_string(split.all.samples));
    row.push_back(std::to_string(split.all.patients.size()));
    row.push_back(std::to_string(split.all.series.size()));
    row.push_back(std::to_string(split.all.groups.size()));
    row.push_back(mebibytes(split.bytes));
  }
  write_table(out, rows);
}

void write_classes(std::ostream& out, const Summary& summary) {
  const auto& names = summary.data.manifest.class_names;
  std::vector<std::vector<std::string>> rows = {{"class", "samples", "share", "patients", "groups"}};
  const SplitSummary& total = summary.splits.back();
  for (std::size_t k = 0; k < names.size(); ++k) {
    const Tally& tally = total.classes[k];
    std::ostringstream share;
    share << std::fixed << std::setprecision(1)
          << 100.0 * static_cast<double>(tally.samples) /
                 static_cast<double>(std::max<std::int64_t>(1, total.all.samples))
          << " %";
    rows.push_back({names[k], std::to_string(tally.samples), share.str(), std::to_string(tally.patients.size()),
                    std::to_string(tally.groups.size())});
  }
  write_table(out, rows);
}

void write_spec(std::ostream& out, const PreprocessSpec& spec) {
  const auto json = nlohmann::json::parse(spec_to_json(spec));
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [key, value] : json.items()) {
    pairs.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  write_pairs(out, pairs);
}

Json tally_json(const Tally& tally) {
  return {{"samples", tally.samples},
          {"patients", tally.patients.size()},
          {"series", tally.series.size()},
          {"groups", tally.groups.size()}};
}

Json split_json(const SplitSummary& split, const std::vector<std::string>& names) {
  Json json = tally_json(split.all);
  json["bytes"] = split.bytes;
  json["classes"] = Json::object();
  for (std::size_t k = 0; k < names.size(); ++k) json["classes"][names[k]] = tally_json(split.classes[k]);
  return json;
}

Json shards_json(const std::vector<ManifestShard>& shards) {
  Json list = Json::array();
  for (const ManifestShard& shard : shards) {
    list.push_back({{"file", shard.file}, {"samples", shard.samples}, {"sha256", shard.sha256}});
  }
  return list;
}

}  // namespace

std::string describe(const std::filesystem::path& directory) {
  const Summary summary = summarise(directory);
  const Manifest& manifest = summary.data.manifest;
  std::ostringstream out;
  out << directory.string() << "\n";
  if (manifest.phantom) out << "  SYNTHETIC PHANTOM: results made from it say nothing about patients\n";
  write_pairs(out, {{"task", manifest.task + ", from " + manifest.source},
                    {"classes", joined(manifest.class_names) + " (positive: " + manifest.positive_class + ")"},
                    {"sample", shape_text(manifest.shape) + ", " + masks_text(summary.data)},
                    {"seed", std::to_string(manifest.seed)},
                    {"data digest", manifest.data_digest()},
                    {"spec digest", spec_digest(manifest.spec)}});
  out << "\nPreprocessing\n";
  write_spec(out, manifest.spec);
  if (!manifest.provenance.empty()) out << "\nProvenance\n";
  write_pairs(out, {manifest.provenance.begin(), manifest.provenance.end()});
  out << "\nSplits\n";
  write_splits(out, summary);
  out << "\nClasses\n";
  write_classes(out, summary);
  return out.str();
}

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
  json["total"] = split_json(summary.splits.back(), manifest.class_names);
  return json.dump(2) + "\n";
}

}  // namespace pulmo::pipeline
