#include "core/model/archive_check.h"

#include <zip.h>

#include <array>
#include <memory>

namespace pulmo {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 18U;

struct DiscardArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

/// Reads the member to its end, where libzip compares the CRC.
bool is_intact_member(zip_t* archive, zip_uint64_t index, Bytes& buffer) {
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(archive, index, 0));
  if (!file) return false;
  zip_int64_t size = 0;
  do {
    size = zip_fread(file.get(), buffer.data(), buffer.size());
  } while (size > 0);
  return size == 0;
}

}  // namespace

bool is_intact_archive(ByteView bytes) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source == nullptr) return false;
  const std::unique_ptr<zip_t, DiscardArchive> archive(zip_open_from_source(source, ZIP_RDONLY, &error));
  zip_error_fini(&error);
  if (!archive) {
    zip_source_free(source);  // an opened archive owns it
    return false;
  }
  Bytes buffer(kPieceBytes);
  const zip_int64_t members = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < members; ++i) {
    if (!is_intact_member(archive.get(), static_cast<zip_uint64_t>(i), buffer)) return false;
  }
  return members > 0;
}

}  // namespace pulmo
