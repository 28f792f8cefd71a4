#include "pipeline/inspection/summary.h"

#include <iomanip>
#include <sstream>
#include <utility>

namespace pulmo::pipeline {
namespace {

void add(SplitSummary& summary, const std::vector<ShardReader>& shards) {
  for (const ShardReader& shard : shards) {
    for (std::size_t i = 0; i < shard.labels().size(); ++i) {
      summary.all.add(shard, i);
      summary.classes[shard.labels()[i]].add(shard, i);
    }
    summary.bytes += static_cast<std::int64_t>(std::filesystem::file_size(shard.path()));
  }
}

}  // namespace

void SampleCount::add(const ShardReader& shard, std::size_t index) {
  ++samples;
  patients.insert(shard.patients()[index]);
  series.insert(shard.series()[index]);
  groups.insert(shard.groups()[index]);
}

Summary summarise(const std::filesystem::path& directory) {
  Summary summary{open_prepared(directory), {}};
  const std::vector<SampleCount> none(summary.data.manifest.class_names.size());
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

std::string mebibytes(std::int64_t bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << static_cast<double>(bytes) / (1024.0 * 1024.0) << " MiB";
  return text.str();
}

}  // namespace pulmo::pipeline
