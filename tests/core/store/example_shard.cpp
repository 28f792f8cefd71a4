#include "tests/core/store/example_shard.h"

#include <algorithm>
#include <stdexcept>

#include "core/image/preprocess.h"
#include "core/store/shard_layout.h"
#include "tests/support/process.h"
#include "tests/support/test_paths.h"

namespace pulmo::testing {

ShardInfo example_info(const SampleShape& shape) {
  ShardInfo info;
  info.shape = shape;
  info.task = "slice";
  info.class_names = {"normal", "benign", "malignant"};
  info.spec_json = spec_to_json(PreprocessSpec{});
  info.spec_sha256 = spec_digest(PreprocessSpec{});
  return info;
}

Sample example_sample(const ShardInfo& info, int index) {
  Sample sample;
  for (std::int64_t e = 0; e < info.shape.elements(); ++e)
    sample.image.push_back(static_cast<std::uint16_t>((index * 7919 + e * 104729 + 13) % 65536));
  if (info.has_lungs) {
    for (std::int64_t e = 0; e < layout::elements(layout::lungs_extent(info.shape)); ++e)
      sample.lungs.push_back(static_cast<std::uint8_t>((e + index) % 2));
  }
  if (info.has_nodules) {
    for (std::int64_t e = 0; e < layout::elements(layout::nodules_extent(info.shape)); ++e)
      sample.nodules.push_back(static_cast<std::uint8_t>((e + index) % 5));
  }
  const std::string half = std::to_string(index / 2);
  sample.label = static_cast<std::uint8_t>(index % 3);
  sample.patient = "Påtient-" + half;
  sample.series = "1.2." + half;
  sample.group = "g/" + half;
  sample.instance = "1.2.3." + std::to_string(index);
  sample.position_mm = -2.5 * index + 0.125;
  return sample;
}

void write_example_shard(const std::filesystem::path& file, const ShardInfo& info, int count) {
  ShardWriter writer(file, info);
  for (int i = 0; i < count; ++i) writer.append(example_sample(info, i));
  writer.finish();
}

std::string run_golden(const std::string& script, const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {python().string(), (source_dir() / "tests/golden" / script).string()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const ProcessResult result = run_process(argv);
  if (result.exit_code != 0) throw std::runtime_error(script + " failed: " + result.err);
  return result.out;
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace pulmo::testing
