#include "pipeline/inspection/prepared_data.h"

namespace pulmo::pipeline {
namespace {

bool all_have(const PreparedData& data, bool ShardInfo::*what) {
  bool any = false;
  for (const Split which : kSplits) {
    for (const ShardReader& shard : data.split(which)) {
      if (!(shard.info().*what)) return false;
      any = true;
    }
  }
  return any;
}

}  // namespace

bool PreparedData::has_lungs() const {
  return all_have(*this, &ShardInfo::has_lungs);
}

bool PreparedData::has_nodules() const {
  return all_have(*this, &ShardInfo::has_nodules);
}

PreparedData open_prepared(const std::filesystem::path& directory) {
  PreparedData data;
  data.manifest = read_manifest(directory);
  for (const Split which : kSplits) {
    data.splits[static_cast<std::size_t>(which)] = open_split(directory, data.manifest, which);
  }
  return data;
}

}  // namespace pulmo::pipeline
