#include <optional>
#include <utility>

#include "core/store/h5.h"
#include "core/store/shard.h"
#include "core/store/shard_layout.h"
#include "core/support/error.h"
#include "core/support/version.h"

namespace pulmo {
namespace {

constexpr std::size_t kFlushEvery = 64;  // samples; else the disk has nothing to do until the file is closed

void require(bool condition, const std::filesystem::path& path, const std::string& problem) {
  if (!condition) throw InvalidInput("shard", path.string() + ": " + problem);
}

std::string size_problem(const char* what, std::size_t actual, std::int64_t expected) {
  return std::string(what) + " holds " + std::to_string(actual) + " values instead of " + std::to_string(expected);
}

}  // namespace

// HDF5 strings end at the first zero byte, and readers of other languages decode them as UTF-8.
bool is_text(const std::string& text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char lead = bytes[i];
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xc2 ? 0
                               : lead < 0xe0 ? 2
                               : lead < 0xf0 ? 3
                               : lead < 0xf5 ? 4
                                             : 0;
    if (lead == 0 || length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((bytes[i + k] & 0xc0U) != 0x80U) return false;
    }
    // Nothing longer than need be, no half of a surrogate pair, nothing beyond U+10FFFF (RFC 3629).
    const unsigned char next = length > 2 ? bytes[i + 1] : 0x80;
    if ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f)) return false;
    if ((lead == 0xf0 && next < 0x90) || (lead == 0xf4 && next > 0x8f)) return false;
    i += length;
  }
  return true;
}

struct ShardWriter::State {
  State(std::filesystem::path target, ShardInfo shard_info)
      : path(std::move(target)), info(std::move(shard_info)), atomic(std::make_unique<AtomicFile>(path)) {}

  // Runs `action`; a failure of HDF5 while writing is always the environment's.
  template <typename Action>
  void guarded(const Action& action) {
    try {
      action();
    } catch (const h5::Error& error) {
      throw IoError("cannot write " + path.string() + ": " + error.what());
    }
  }

  h5::Dataset rows(const char* name, std::vector<std::int64_t> extent, h5::Element element) {
    return file->create_rows(name, {std::move(extent), element, info.deflate_level});
  }
  void open();
  void check(const Sample& sample) const;
  void write_columns();

  std::filesystem::path path;
  ShardInfo info;
  std::unique_ptr<AtomicFile> atomic;
  std::optional<h5::File> file;
  std::optional<h5::Dataset> images, lungs, nodules;  // after `file`: closed before it
  std::vector<std::uint8_t> labels;
  std::vector<std::string> patients, series, groups, instances;
  std::vector<double> positions;
};

void ShardWriter::State::open() {
  file = h5::File::create(atomic->temp_path());
  file->set_attribute(layout::kFormatVersion, kShardFormatVersion);
  file->set_attribute(layout::kClassNames, info.class_names);
  file->set_attribute(layout::kSpec, info.spec_json);
  file->set_attribute(layout::kSpecDigest, info.spec_sha256);
  file->set_attribute(layout::kTask, info.task);
  file->set_attribute(layout::kPulmoVersion, std::string(version()));
  images = rows(layout::kImages, layout::image_extent(info.shape), h5::Element::kUint16);
  if (info.has_lungs) lungs = rows(layout::kLungs, layout::lungs_extent(info.shape), h5::Element::kUint8);
  if (info.has_nodules) nodules = rows(layout::kNodules, layout::nodules_extent(info.shape), h5::Element::kUint8);
}

void ShardWriter::State::check(const Sample& sample) const {
  const auto fits = [](std::size_t actual, std::int64_t expected) {
    return static_cast<std::int64_t>(actual) == expected;
  };
  const std::int64_t pixels = info.shape.elements();
  const std::int64_t lung_pixels = info.has_lungs ? layout::elements(layout::lungs_extent(info.shape)) : 0;
  const std::int64_t nodule_pixels = info.has_nodules ? layout::elements(layout::nodules_extent(info.shape)) : 0;
  require(fits(sample.image.size(), pixels), path, size_problem("the image", sample.image.size(), pixels));
  require(fits(sample.lungs.size(), lung_pixels), path,
          size_problem("the lung mask", sample.lungs.size(), lung_pixels));
  require(fits(sample.nodules.size(), nodule_pixels), path,
          size_problem("the nodule mask", sample.nodules.size(), nodule_pixels));
  require(sample.label < info.class_names.size(), path,
          "the label " + std::to_string(sample.label) + " is not below the number of classes, " +
              std::to_string(info.class_names.size()));
  require(!sample.patient.empty(), path, "a sample names no patient");
  for (const std::string* text : {&sample.patient, &sample.series, &sample.group, &sample.instance}) {
    require(is_text(*text), path, "a sample's patient, series, group or instance is not UTF-8 text");
  }
}

void ShardWriter::State::write_columns() {
  file->write<std::uint8_t>(layout::kLabels, labels);
  file->write<double>(layout::kPositions, positions);
  file->write_strings(layout::kPatients, patients);
  file->write_strings(layout::kSeries, series);
  file->write_strings(layout::kGroups, groups);
  file->write_strings(layout::kInstances, instances);
}

ShardWriter::ShardWriter(std::filesystem::path path, ShardInfo info) {
  const std::string problem = layout::problem_of(info);
  require(problem.empty(), path, problem);
  require(info.deflate_level >= 0 && info.deflate_level <= 9, path, "the deflate level is not in 0..9");
  state_ = std::make_unique<State>(std::move(path), std::move(info));
  state_->guarded([this] { state_->open(); });
}

ShardWriter::~ShardWriter() = default;

std::int64_t ShardWriter::size() const {
  return static_cast<std::int64_t>(state_->labels.size());
}

void ShardWriter::append(const Sample& sample) {
  State& state = *state_;
  state.check(sample);
  state.guarded([&state, &sample] {
    state.images->append<std::uint16_t>(sample.image);
    if (state.lungs) state.lungs->append<std::uint8_t>(sample.lungs);
    if (state.nodules) state.nodules->append<std::uint8_t>(sample.nodules);
  });
  state.labels.push_back(sample.label);
  state.patients.push_back(sample.patient);
  state.series.push_back(sample.series);
  state.groups.push_back(sample.group);
  state.instances.push_back(sample.instance);
  state.positions.push_back(sample.position_mm);
  if (state.labels.size() % kFlushEvery == 0) state.atomic->begin_flush();
}

std::unique_ptr<AtomicFile> ShardWriter::close() {
  State& state = *state_;
  state.guarded([&state] {
    state.write_columns();
    state.images.reset();
    state.lungs.reset();
    state.nodules.reset();
    state.file->close();
  });
  return std::move(state.atomic);
}

void ShardWriter::finish() {
  close()->commit();
}

}  // namespace pulmo
