#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace pulmo::training {

/// One figure of an event.
struct Scalar {
  std::string tag;  ///< "train/loss"
  double value = 0.0;
};

/// A TensorBoard event file, events.out.tfevents.SECONDS.HOST.PID.N: TFRecord frames (length, masked CRC-32C of it,
/// data, masked CRC-32C of that; little-endian) of protobuf messages tensorflow.Event, the first of which names the
/// format "brain.Event:2". Appended to, so that TensorBoard can follow a run. Not thread-safe.
class EventFile {
 public:
  /// Creates folder and file. The file says that the run goes on after `step`: TensorBoard then forgets what older
  /// files of the folder hold of later steps. Throws IoError.
  EventFile(const std::filesystem::path& folder, std::int64_t step);

  /// One event with these values, flushed to the file. Throws IoError.
  void add(std::int64_t step, const std::vector<Scalar>& values);

  const std::filesystem::path& path() const { return path_; }

 private:
  void append(const std::string& event);

  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace pulmo::training
