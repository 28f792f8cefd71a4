#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/support/error.h"
#include "pipeline/input/byte_source.h"

namespace {

/// One file a process, rewritten for every input: the walker reads archives in place, from disk.
const std::filesystem::path& archive_path() {
  static const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("pulmo-fuzz-" + std::to_string(::getpid()) + ".zip");
  static const bool removed_at_exit = std::atexit([] { std::filesystem::remove(archive_path()); }) == 0;
  static_cast<void>(removed_at_exit);
  return path;
}

}  // namespace

/// Any archive is walked and read, or refused as InvalidInput; no entry costs more than the limits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::ofstream(archive_path(), std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const pulmo::ZipLimits limits{.max_entry_bytes = 1 << 20, .max_entries = 256, .ratio_from_bytes = 1 << 16};
  const pulmo::pipeline::ByteSource source({archive_path()}, limits);
  pulmo::pipeline::ByteReader reader(source);
  for (const auto& entry : source.entries()) {
    try {
      if (reader.read(entry).size() > limits.max_entry_bytes) std::abort();
    } catch (const pulmo::InvalidInput&) {
    } catch (const pulmo::IoError&) {
    }
  }
  return 0;
}
