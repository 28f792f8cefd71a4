#include "core/store/manifest.h"

#include <algorithm>
#include <numeric>

#include "core/support/digest.h"
#include "core/support/error.h"

namespace pulmo {
std::string_view to_string(Split split) {
  switch (split) {
    case Split::kTrain: return "train";
    case Split::kValidation: return "validation";
    case Split::kTest: return "test";
  }
  return "unknown";
}

std::int64_t ManifestSplit::samples() const {
  return std::accumulate(shards.begin(), shards.end(), std::int64_t{0},
                         [](std::int64_t sum, const ManifestShard& shard) { return sum + shard.samples; });
}

int Manifest::positive_index() const {
  const auto found = std::find(class_names.begin(), class_names.end(), positive_class);
  if (found == class_names.end()) throw InvalidInput("manifest", "the positive class is not among the classes");
  return static_cast<int>(found - class_names.begin());
}

std::string Manifest::data_digest() const {
  std::string text;
  for (const std::string& name : class_names) text += "class " + name + "\n";
  text += "spec " + spec_digest(spec) + "\n";
  for (const Split which : kSplits) {
    for (const ManifestShard& shard : split(which).shards) {
      text.append(to_string(which)).append(" ").append(shard.sha256).append("\n");
    }
  }
  return sha256_hex(std::string_view(text));
}

std::string shard_difference(const ShardReader& shard, const ManifestShard& entry, const Manifest& manifest) {
  const ShardInfo& info = shard.info();
  if (shard.size() != entry.samples) {
    return "it holds " + std::to_string(shard.size()) + " samples, the manifest says " + std::to_string(entry.samples);
  }
  if (info.class_names != manifest.class_names) return "its classes are not those of the manifest";
  if (info.task != manifest.task) return "its task is '" + info.task + "', the manifest's '" + manifest.task + "'";
  if (info.shape != manifest.shape) return "its samples have another shape than the manifest says";
  if (const std::string digest = spec_digest(manifest.spec); info.spec_sha256 != digest) {
    return "its preprocessing (spec_sha256 " + info.spec_sha256 + ") is not the manifest's (" + digest + ")";
  }
  return {};
}

std::vector<ShardReader> open_split(const std::filesystem::path& directory, const Manifest& manifest, Split split,
                                    bool check_digests) {
  std::vector<ShardReader> shards;
  std::map<std::string, std::int64_t> counts;
  for (const std::string& name : manifest.class_names) counts[name] = 0;
  for (const ManifestShard& entry : manifest.split(split).shards) {
    const std::filesystem::path file = directory / entry.file;
    if (check_digests && sha256_file(file) != entry.sha256) {
      throw InvalidInput("shard",
                         file.string() + ": its SHA-256 is not the manifest's: the file was changed or damaged");
    }
    const ShardReader& shard = shards.emplace_back(file);
    if (const std::string difference = shard_difference(shard, entry, manifest); !difference.empty()) {
      throw InvalidInput("shard", file.string() + ": " + difference +
                                      "; the folder holds files of two preparations: prepare it again");
    }
    for (const std::uint8_t label : shard.labels()) ++counts[manifest.class_names[label]];
  }
  for (const auto& [name, count] : counts) {
    const auto& expected = manifest.split(split).counts;
    const auto found = expected.find(name);
    if ((found == expected.end() ? 0 : found->second) == count) continue;
    throw InvalidInput("shard", directory.string() + ": the shards of " + std::string(to_string(split)) + " hold " +
                                    std::to_string(count) + " samples of class " + name +
                                    ", which is not what the manifest says");
  }
  return shards;
}

}  // namespace pulmo
