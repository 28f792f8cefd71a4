#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/support/atomic_file.h"

namespace pulmo {

/// The format of a shard, HDF5 (docs/formats.md describes it for readers of other languages):
///   images    (N,C,H,W) or (N,C,D,H,W) uint16 = round(65535 * value), one chunk a sample, fletcher32, deflate optional
///   lungs     (N,H,W) uint8, optional; 1 inside the lungs
///   nodules   (N,H,W) or (N,D,H,W) uint8, optional; number of readers who outlined the pixel
///   labels    (N) uint8, index into the attribute class_names
///   patients, series, groups, instances (N) UTF-8 strings of fixed length, padded with zero bytes
///   position_mm (N) float64
/// Each column is one chunk with fletcher32. Attributes: format_version, class_names, spec (JSON), spec_sha256, task,
/// pulmo_version.
inline constexpr int kShardFormatVersion = 1;

/// The shape of one sample.
struct SampleShape {
  std::int64_t channels = 1;
  std::int64_t depth = 0;  ///< 0: a slice (C,H,W); otherwise a volume (C,D,H,W)
  std::int64_t height = 0;
  std::int64_t width = 0;

  std::int64_t elements() const { return channels * (depth == 0 ? 1 : depth) * height * width; }
  bool operator==(const SampleShape&) const = default;
};

struct Sample {
  std::vector<std::uint16_t> image;   ///< shape.elements() values, row-major
  std::vector<std::uint8_t> lungs;    ///< H*W, or empty when the shard stores none
  std::vector<std::uint8_t> nodules;  ///< H*W (D*H*W for a volume), or empty when the shard stores none
  std::uint8_t label = 0;
  std::string patient;
  std::string series;    ///< series instance UID, or the same as the group for pictures
  std::string group;     ///< what a group-level result is counted by: the nodule or the series
  std::string instance;  ///< SOP instance UID, or the picture's path
  double position_mm = 0.0;
};

/// What all samples of a shard share.
struct ShardInfo {
  SampleShape shape;
  std::string task;                      ///< "slice", "nodule"
  std::vector<std::string> class_names;  ///< K names; a label is an index
  std::string spec_json;                 ///< canonical PreprocessSpec
  std::string spec_sha256;
  bool has_lungs = false;
  bool has_nodules = false;
  int deflate_level = 0;  ///< 0: none; written, not read back
};

/// Whether a shard can hold the text: UTF-8 without zero bytes.
bool is_text(const std::string& text);

/// Writes one shard. The file appears under its name only by finish(), or close() and commit(). Not thread-safe.
class ShardWriter {
 public:
  /// Throws IoError when the folder cannot be written.
  ShardWriter(std::filesystem::path path, ShardInfo info);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  /// Throws InvalidInput("shard") when the sample does not fit the info, IoError when the disk is full.
  void append(const Sample& sample);
  std::int64_t size() const;
  /// Writes all that is left and closes the file; the shard appears under its name when the result is committed, which
  /// any thread may do. Throws IoError; no file is left then. Nothing may be called after it.
  std::unique_ptr<AtomicFile> close();
  /// close(), then commits. Throws as they do.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads one shard. Thread-safe: HDF5 calls are serialised by one process-wide lock.
class ShardReader {
 public:
  /// Opens and validates structure, version and attributes. Throws IoError, or InvalidInput("shard") naming the file
  /// and what is wrong with it (not HDF5, newer version, missing data set, wrong shape).
  explicit ShardReader(std::filesystem::path path);
  ~ShardReader();
  ShardReader(ShardReader&&) noexcept;
  ShardReader& operator=(ShardReader&&) noexcept;

  const std::filesystem::path& path() const;
  const ShardInfo& info() const;
  std::int64_t size() const;

  /// All labels (N), patients (N), ... read once at opening.
  const std::vector<std::uint8_t>& labels() const;
  const std::vector<std::string>& patients() const;
  const std::vector<std::string>& series() const;
  const std::vector<std::string>& groups() const;
  const std::vector<std::string>& instances() const;
  const std::vector<double>& positions_mm() const;

  /// Reads image `index` into `out`, which must hold info().shape.elements() values. Throws InvalidInput("shard") when
  /// the checksum of the chunk does not hold, naming file and sample.
  void read_image(std::int64_t index, std::span<std::uint16_t> out) const;
  /// Empty when the shard stores none.
  std::vector<std::uint8_t> read_lungs(std::int64_t index) const;
  std::vector<std::uint8_t> read_nodules(std::int64_t index) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmo
