#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "core/store/h5.h"
#include "core/store/shard.h"
#include "core/store/shard_layout.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr std::int64_t kMaxSamples = std::int64_t{1} << 28;  // bounds what a damaged header can make us allocate

std::string with_count(std::int64_t samples, std::vector<std::int64_t> extent) {
  extent.insert(extent.begin(), samples);
  return layout::to_text(extent);
}

}  // namespace

struct ShardReader::State {
  explicit State(std::filesystem::path shard_path) : path(std::move(shard_path)) {}

  [[noreturn]] void refuse(const std::string& problem) const {
    throw InvalidInput("shard", path.string() + ": " + problem);
  }
  // Runs `action`; `what` names what was being read.
  template <typename Action>
  auto guarded(const std::string& what, const Action& action) const {
    try {
      return action();
    } catch (const h5::Error& error) {
      if (error.environment()) throw IoError("cannot read " + path.string() + ": " + what + ": " + error.what());
      refuse(what + ": " + error.what() + "; the file is damaged or was not written as docs/formats.md says");
    }
  }

  void open();
  void read_version();
  void read_info();
  void read_shape();
  void read_columns();
  h5::Dataset dataset(const char* name, const char* type) const;
  std::string text(const char* name) const;
  std::vector<std::string> column(const char* name) const;
  std::optional<h5::Dataset> mask(const char* name, const std::vector<std::int64_t>& extent) const;
  void check_extent(const char* name, const h5::Dataset& data, const std::vector<std::int64_t>& row) const;
  void check_index(std::int64_t index) const;
  std::vector<std::uint8_t> read_mask(const char* name, const std::optional<h5::Dataset>& data,
                                      std::int64_t index) const;
  std::string sample_name(const char* data, std::int64_t index) const {
    return std::string(data) + ", sample " + std::to_string(index) + " of " + std::to_string(samples);
  }

  std::filesystem::path path;
  ShardInfo info;
  std::int64_t samples = 0;
  std::optional<h5::File> file;
  std::optional<h5::Dataset> images, lungs, nodules;  // after `file`: closed before it
  std::vector<std::uint8_t> labels;
  std::vector<std::string> patients, series, groups, instances;
  std::vector<double> positions;
};

void ShardReader::State::open() {
  if (!std::ifstream(path, std::ios::binary) || std::filesystem::is_directory(path)) {
    throw IoError("cannot open the shard " + path.string() + ": " + std::strerror(errno == 0 ? EISDIR : errno));
  }
  guarded("opening it as HDF5", [this] { file = h5::File::open(path); });
  read_version();
  read_info();
  guarded("images", [this] { read_shape(); });
  if (const std::string problem = layout::problem_of(info); !problem.empty()) refuse(problem);
  read_columns();
}

void ShardReader::State::read_version() {
  if (!file->has_attribute(layout::kFormatVersion)) {
    refuse("it has no attribute format_version: not a shard of pulmo");
  }
  const std::int64_t version =
      guarded("attribute format_version", [this] { return file->integer_attribute(layout::kFormatVersion); });
  if (version < 1 || version > kShardFormatVersion) {
    refuse("its format version is " + std::to_string(version) + ", this program reads up to " +
           std::to_string(kShardFormatVersion) + "; use a newer pulmo or prepare the data again");
  }
}

std::string ShardReader::State::text(const char* name) const {
  if (!file->has_attribute(name)) refuse(std::string("the attribute ") + name + " is missing");
  const auto values = guarded(std::string("attribute ") + name, [&] { return file->text_attribute(name); });
  if (values.size() != 1) refuse(std::string("the attribute ") + name + " is not one text");
  return values.front();
}

void ShardReader::State::read_info() {
  info.task = text(layout::kTask);
  info.spec_json = text(layout::kSpec);
  info.spec_sha256 = text(layout::kSpecDigest);
  if (!file->has_attribute(layout::kClassNames)) refuse("the attribute class_names is missing");
  info.class_names = guarded("attribute class_names", [this] { return file->text_attribute(layout::kClassNames); });
}

h5::Dataset ShardReader::State::dataset(const char* name, const char* type) const {
  if (!file->has_dataset(name)) refuse(std::string("the data set ") + name + " is missing");
  return guarded(name, [&] {
    h5::Dataset data = file->dataset(name);
    if (data.type() != type) refuse(std::string(name) + " holds " + data.type() + " instead of " + type);
    return data;
  });
}

void ShardReader::State::read_shape() {
  images = dataset(layout::kImages, "uint16");
  const auto& extent = images->extent();
  if (extent.size() != 4 && extent.size() != 5) {
    refuse("images has the shape " + layout::to_text(extent) + "; expected (N,C,H,W) or (N,C,D,H,W)");
  }
  samples = extent[0];
  if (samples > kMaxSamples) refuse("images claims " + std::to_string(samples) + " samples");
  info.shape.channels = extent[1];
  info.shape.depth = extent.size() == 5 ? extent[2] : 0;
  if (extent.size() == 5 && info.shape.depth == 0) refuse("images has the shape " + layout::to_text(extent));
  info.shape.height = extent[extent.size() - 2];
  info.shape.width = extent[extent.size() - 1];
}

void ShardReader::State::check_extent(const char* name, const h5::Dataset& data,
                                      const std::vector<std::int64_t>& row) const {
  const std::string expected = with_count(samples, row);
  const std::string actual = layout::to_text(data.extent());
  if (actual != expected) refuse(std::string(name) + " has the shape " + actual + " instead of " + expected);
}

std::vector<std::string> ShardReader::State::column(const char* name) const {
  const h5::Dataset data = dataset(name, "string");
  check_extent(name, data, {});
  return guarded(name, [&data] { return data.read_strings(); });
}

std::optional<h5::Dataset> ShardReader::State::mask(const char* name, const std::vector<std::int64_t>& extent) const {
  if (!file->has_dataset(name)) return std::nullopt;
  h5::Dataset data = dataset(name, "uint8");
  check_extent(name, data, extent);
  return data;
}

void ShardReader::State::read_columns() {
  lungs = mask(layout::kLungs, layout::lungs_extent(info.shape));
  nodules = mask(layout::kNodules, layout::nodules_extent(info.shape));
  info.has_lungs = lungs.has_value();
  info.has_nodules = nodules.has_value();
  const h5::Dataset label_data = dataset(layout::kLabels, "uint8");
  check_extent(layout::kLabels, label_data, {});
  labels = guarded(layout::kLabels, [&] { return label_data.read_all<std::uint8_t>(); });
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < info.class_names.size()) continue;
    refuse("sample " + std::to_string(i) + " has the label " + std::to_string(labels[i]) + ", but there are only " +
           std::to_string(info.class_names.size()) + " classes");
  }
  const h5::Dataset position_data = dataset(layout::kPositions, "float64");
  check_extent(layout::kPositions, position_data, {});
  positions = guarded(layout::kPositions, [&] { return position_data.read_all<double>(); });
  patients = column(layout::kPatients);
  series = column(layout::kSeries);
  groups = column(layout::kGroups);
  instances = column(layout::kInstances);
}

void ShardReader::State::check_index(std::int64_t index) const {
  if (index < 0 || index >= samples) {
    throw std::out_of_range(path.string() + ": there is no sample " + std::to_string(index) + " among " +
                            std::to_string(samples));
  }
}

std::vector<std::uint8_t> ShardReader::State::read_mask(const char* name, const std::optional<h5::Dataset>& data,
                                                        std::int64_t index) const {
  check_index(index);
  if (!data) return {};
  std::vector<std::uint8_t> values(static_cast<std::size_t>(data->row_elements()));
  guarded(sample_name(name, index), [&] { data->read<std::uint8_t>(index, values); });
  return values;
}

ShardReader::ShardReader(std::filesystem::path path) : state_(std::make_unique<State>(std::move(path))) {
  state_->open();
}

ShardReader::~ShardReader() = default;
ShardReader::ShardReader(ShardReader&&) noexcept = default;
ShardReader& ShardReader::operator=(ShardReader&&) noexcept = default;

const std::filesystem::path& ShardReader::path() const {
  return state_->path;
}
const ShardInfo& ShardReader::info() const {
  return state_->info;
}
std::int64_t ShardReader::size() const {
  return state_->samples;
}
const std::vector<std::uint8_t>& ShardReader::labels() const {
  return state_->labels;
}
const std::vector<std::string>& ShardReader::patients() const {
  return state_->patients;
}
const std::vector<std::string>& ShardReader::series() const {
  return state_->series;
}
const std::vector<std::string>& ShardReader::groups() const {
  return state_->groups;
}
const std::vector<std::string>& ShardReader::instances() const {
  return state_->instances;
}
const std::vector<double>& ShardReader::positions_mm() const {
  return state_->positions;
}

void ShardReader::read_image(std::int64_t index, std::span<std::uint16_t> out) const {
  const State& state = *state_;
  state.check_index(index);
  if (static_cast<std::int64_t>(out.size()) != state.info.shape.elements()) {
    throw std::invalid_argument(state.path.string() + ": the buffer holds " + std::to_string(out.size()) +
                                " values, an image " + std::to_string(state.info.shape.elements()));
  }
  state.guarded(state.sample_name(layout::kImages, index), [&] { state.images->read(index, out); });
}

std::vector<std::uint8_t> ShardReader::read_lungs(std::int64_t index) const {
  return state_->read_mask(layout::kLungs, state_->lungs, index);
}
std::vector<std::uint8_t> ShardReader::read_nodules(std::int64_t index) const {
  return state_->read_mask(layout::kNodules, state_->nodules, index);
}

}  // namespace pulmo
