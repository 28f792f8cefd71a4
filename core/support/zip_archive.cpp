#include "core/support/zip_archive.h"

#include <libdeflate.h>
#include <zip.h>

#include <algorithm>
#include <new>
#include <string_view>
#include <utility>

#include "core/support/error.h"

namespace pulmo {
namespace {

struct ZipCloser {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct EntryCloser {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Archive = std::unique_ptr<zip_t, ZipCloser>;
using OpenEntry = std::unique_ptr<zip_file_t, EntryCloser>;

std::string text_of(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

[[noreturn]] void refuse_archive(const std::string& name, const std::string& why) {
  throw InvalidInput("corrupt_zip", name + " is not a readable zip archive (" + why + ")");
}

Archive open_archive(const std::filesystem::path& path) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (archive) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = text_of(error);
  if (code == ZIP_ER_OPEN || code == ZIP_ER_NOENT || code == ZIP_ER_READ || code == ZIP_ER_MEMORY) {
    throw IoError("cannot open " + path.string() + ": " + reason);
  }
  refuse_archive(path.string(), reason);
}

Archive open_archive(ByteView bytes, const std::string& name) {
  if (bytes.empty()) refuse_archive(name, "it is empty");  // libzip takes nothing for an archive without entries
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  Archive archive(source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, &error));
  if (archive == nullptr && source != nullptr) zip_source_free(source);  // an opened archive owns it
  const std::string reason = text_of(error);
  if (!archive) refuse_archive(name, reason);
  return archive;
}

void check_count(std::uint64_t count, const std::string& name, const ZipLimits& limits) {
  if (count <= limits.max_entries) return;
  throw InvalidInput("zip_bomb", name + " holds " + std::to_string(count) + " entries, at most " +
                                     std::to_string(limits.max_entries) + " are read");
}

/// Marks of directory records (APPNOTE 4.3.12): no fewer than libzip will make entries of.
std::uint64_t count_records(ByteView bytes) {
  constexpr std::string_view kMark("PK\1\2", 4);
  const std::string_view text = as_text(bytes);
  std::uint64_t count = 0;
  for (std::size_t at = text.find(kMark); at != std::string_view::npos; at = text.find(kMark, at + kMark.size())) {
    ++count;
  }
  return count;
}

zip_stat_t stat_of(zip_t* archive, std::uint64_t index) {
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(archive, index, ZIP_FL_UNCHANGED, &stat) != 0) {
    throw InvalidInput("corrupt_zip", std::string("entry ") + std::to_string(index) +
                                          " has no directory record: " + zip_strerror(archive));
  }
  return stat;
}

struct DecompressorCloser {
  void operator()(libdeflate_decompressor* decompressor) const { libdeflate_free_decompressor(decompressor); }
};
using Decompressor = std::unique_ptr<libdeflate_decompressor, DecompressorCloser>;

/// Whether libdeflate, which wants all of an entry at once and takes half of zlib's time, can unpack it. An entry that
/// declares to be longer packed than the whole archive, or much longer than unpacked, gets no memory for that.
bool is_plain_deflate(const zip_stat_t& stat, std::uint64_t archive_bytes) {
  constexpr zip_uint64_t kNeeded = ZIP_STAT_COMP_METHOD | ZIP_STAT_COMP_SIZE | ZIP_STAT_SIZE | ZIP_STAT_CRC;
  constexpr zip_uint64_t kMostOverhead = 65536;
  return (stat.valid & kNeeded) == kNeeded && stat.comp_method == ZIP_CM_DEFLATE && stat.comp_size > 0 &&
         stat.comp_size <= archive_bytes && stat.comp_size <= stat.size + stat.size / 8 + kMostOverhead;
}

}  // namespace

struct ZipArchive::State {
  std::string archive_name;
  ZipLimits limits;
  Archive archive;
  std::uint64_t archive_bytes = 0;
  Decompressor decompressor = nullptr;  // made for the first entry that wants it

  std::string name(const zip_stat_t& stat) const {
    return archive_name + "!" + (stat.name == nullptr ? std::to_string(stat.index) : stat.name);
  }

  std::uint64_t count() const {
    return static_cast<std::uint64_t>(zip_get_num_entries(archive.get(), ZIP_FL_UNCHANGED));
  }

  void check(const zip_stat_t& stat) const {
    if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE) {
      throw InvalidInput("encrypted_zip", name(stat) + " is encrypted; unpack it with its password first");
    }
    const bool too_large = stat.size > limits.max_entry_bytes;
    const bool too_dense = stat.size > limits.ratio_from_bytes && stat.size / limits.max_ratio > stat.comp_size;
    if (too_large || too_dense) {
      throw InvalidInput("zip_bomb", name(stat) + " declares " + std::to_string(stat.size) + " bytes packed in " +
                                         std::to_string(stat.comp_size) + ": more than the limits allow");
    }
  }

  OpenEntry open(const zip_stat_t& stat, zip_flags_t flags) const {
    OpenEntry entry(zip_fopen_index(archive.get(), stat.index, ZIP_FL_UNCHANGED | flags));
    if (entry) return entry;
    throw InvalidInput("corrupt_zip", name(stat) + " cannot be opened: " + zip_strerror(archive.get()));
  }

  Bytes take(zip_file_t* entry, const zip_stat_t& stat, std::uint64_t count) const;
  Bytes inflate(const zip_stat_t& stat);
  Bytes read_stream(const zip_stat_t& stat, std::uint64_t max_bytes) const;

  [[noreturn]] void refuse_longer(const zip_stat_t& stat) const {
    throw InvalidInput("zip_bomb", name(stat) + " holds more bytes than it declares");
  }
  [[noreturn]] void refuse_checksum(const zip_stat_t& stat) const {
    throw InvalidInput("corrupt_zip", name(stat) + " does not match its checksum (damaged archive)");
  }
  [[noreturn]] void refuse_broken(const zip_stat_t& stat) const {
    throw InvalidInput("corrupt_zip", name(stat) + " cannot be unpacked (damaged archive)");
  }
};

/// The first `count` bytes of an entry. Memory grows with what arrives, whatever the archive declares.
Bytes ZipArchive::State::take(zip_file_t* entry, const zip_stat_t& stat, std::uint64_t count) const {
  constexpr std::uint64_t kFirstBytes = std::uint64_t{1} << 20U;
  Bytes bytes;
  std::size_t filled = 0;
  while (filled < count) {
    bytes.resize(static_cast<std::size_t>(std::min(count, std::max<std::uint64_t>(kFirstBytes, 2 * filled))));
    while (filled < bytes.size()) {
      const auto got = zip_fread(entry, bytes.data() + filled, bytes.size() - filled);
      if (got <= 0) {
        throw InvalidInput("corrupt_zip", name(stat) + " breaks off after " + std::to_string(filled) + " of " +
                                              std::to_string(count) + " bytes (damaged archive)");
      }
      filled += static_cast<std::size_t>(got);
    }
  }
  return bytes;
}

/// A whole entry, by libdeflate.
Bytes ZipArchive::State::inflate(const zip_stat_t& stat) {
  if (!decompressor) decompressor.reset(libdeflate_alloc_decompressor());
  if (!decompressor) throw std::bad_alloc();
  const Bytes packed = take(open(stat, ZIP_FL_COMPRESSED).get(), stat, stat.comp_size);
  Bytes bytes(static_cast<std::size_t>(stat.size));
  std::size_t filled = 0;
  switch (libdeflate_deflate_decompress(decompressor.get(), packed.data(), packed.size(), bytes.data(), bytes.size(),
                                        &filled)) {
    case LIBDEFLATE_SUCCESS: break;
    case LIBDEFLATE_INSUFFICIENT_SPACE: refuse_longer(stat);
    default: refuse_broken(stat);
  }
  if (filled < bytes.size()) refuse_broken(stat);
  if (libdeflate_crc32(0, bytes.data(), bytes.size()) != stat.crc) refuse_checksum(stat);
  return bytes;
}

/// The beginning of an entry, or one that is not deflated, by libzip.
Bytes ZipArchive::State::read_stream(const zip_stat_t& stat, std::uint64_t max_bytes) const {
  const OpenEntry entry = open(stat, 0);
  Bytes bytes = take(entry.get(), stat, std::min<std::uint64_t>(stat.size, max_bytes));
  if (max_bytes <= stat.size) return bytes;
  std::byte beyond{};  // the end of the stream is where libzip compares the checksum
  const auto extra = zip_fread(entry.get(), &beyond, 1);
  if (extra > 0) refuse_longer(stat);
  if (extra < 0) refuse_checksum(stat);
  return bytes;
}

ZipArchive::ZipArchive(const std::filesystem::path& path, const ZipLimits& limits)
    : state_(
          std::make_unique<State>(State{path.string(), limits, open_archive(path), std::filesystem::file_size(path)})) {
  check_count(state_->count(), path.string(), limits);
}

ZipArchive::ZipArchive(ByteView bytes, std::string name, const ZipLimits& limits) {
  check_count(count_records(bytes), name, limits);
  Archive archive = open_archive(bytes, name);
  state_ = std::make_unique<State>(State{std::move(name), limits, std::move(archive), bytes.size()});
}

ZipArchive::~ZipArchive() = default;
ZipArchive::ZipArchive(ZipArchive&&) noexcept = default;
ZipArchive& ZipArchive::operator=(ZipArchive&&) noexcept = default;

std::vector<ZipEntry> ZipArchive::entries() const {
  std::vector<ZipEntry> result;
  for (std::uint64_t index = 0; index < state_->count(); ++index) {
    const zip_stat_t stat = stat_of(state_->archive.get(), index);
    const std::string name = stat.name == nullptr ? "" : stat.name;
    if (name.empty() || name.back() == '/') continue;
    const bool encrypted = (stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE;
    result.push_back({name, index, stat.size, stat.comp_size, encrypted});
  }
  return result;
}

std::uint64_t ZipArchive::find(const std::string& name) const {
  const auto index = zip_name_locate(state_->archive.get(), name.c_str(), ZIP_FL_UNCHANGED);
  if (index < 0) throw InvalidInput("corrupt_zip", state_->archive_name + " holds no " + name);
  return static_cast<std::uint64_t>(index);
}

Bytes ZipArchive::read(std::uint64_t index, std::uint64_t max_bytes) {
  const zip_stat_t stat = stat_of(state_->archive.get(), index);
  state_->check(stat);
  const bool whole = max_bytes >= stat.size;
  return whole && is_plain_deflate(stat, state_->archive_bytes) ? state_->inflate(stat)
                                                                : state_->read_stream(stat, max_bytes);
}

bool is_intact_stored_zip(ByteView bytes) {
  try {
    ZipArchive archive(bytes, "archive", {.max_entry_bytes = bytes.size()});
    const std::vector<ZipEntry> entries = archive.entries();
    for (const ZipEntry& entry : entries) archive.read(entry.index);
    return !entries.empty();
  } catch (const InvalidInput&) {
    return false;
  }
}

}  // namespace pulmo
