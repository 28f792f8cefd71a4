#include "core/model/zip_archive.h"

#include <zip.h>

#include <memory>

#include "core/support/error.h"

namespace pulmo {
namespace {

struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

[[noreturn]] void refuse(const std::string& why) {
  throw InvalidInput("archive", why);
}

zip_t* open(ByteView bytes) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  zip_t* archive = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, &error);
  if (archive == nullptr && source != nullptr) zip_source_free(source);  // an opened archive owns it
  zip_error_fini(&error);
  return archive;
}

}  // namespace

ZipArchive::ZipArchive(ByteView bytes) : bytes_(bytes), archive_(open(bytes)) {
  if (archive_ == nullptr) refuse("not a zip archive, or truncated");
  const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(archive_, 0));
  for (zip_uint64_t i = 0; i < count; ++i) names_.emplace_back(zip_get_name(archive_, i, 0));
}

ZipArchive::~ZipArchive() {
  zip_discard(archive_);
}

Bytes ZipArchive::read(const std::string& name) const {
  zip_stat_t status;
  if (zip_stat(archive_, name.c_str(), 0, &status) != 0) refuse("there is no member " + name);
  if ((status.valid & ZIP_STAT_SIZE) == 0 || status.size > bytes_.size()) refuse("member " + name + " is too large");
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen(archive_, name.c_str(), 0));
  Bytes content(status.size + 1);  // reading on to the end is what compares the CRC
  std::size_t filled = 0;
  zip_int64_t size = file ? 1 : -1;
  while (size > 0 && filled < content.size()) {
    size = zip_fread(file.get(), content.data() + filled, content.size() - filled);
    if (size > 0) filled += static_cast<std::size_t>(size);
  }
  if (size != 0 || filled != status.size) refuse("member " + name + " is damaged");
  content.resize(filled);
  return content;
}

bool is_intact_archive(ByteView bytes) {
  try {
    const ZipArchive archive(bytes);
    for (const std::string& name : archive.names()) archive.read(name);
    return !archive.names().empty();
  } catch (const InvalidInput&) {
    return false;
  }
}

}  // namespace pulmo
