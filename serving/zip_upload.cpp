#include "serving/zip_upload.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/image/slice_decoder.h"
#include "core/support/error.h"

namespace pulmo::serving {
namespace {

constexpr std::uint64_t kHeadBytes = 132;  // enough to tell what a file is
constexpr const char* kName = "the archive";

ZipLimits archive_limits(const ZipUploadLimits& limits) {
  ZipLimits result;
  result.max_entry_bytes = limits.entry_bytes;
  result.max_entries = limits.entries;
  result.max_ratio = limits.ratio;
  return result;
}

/// The directory's claims, all together: entries may share their packed bytes, so each alone tells little.
void check_total(const std::vector<ZipEntry>& entries, std::uint64_t packed_bytes, const ZipUploadLimits& limits) {
  std::uint64_t total = 0;
  for (const ZipEntry& entry : entries) {
    if (entry.encrypted) throw InvalidInput("encrypted_zip", "the archive is encrypted: send it without a password");
    total += std::min(entry.size_bytes, limits.total_bytes + 1);
  }
  if (total > limits.total_bytes || (total > ZipLimits{}.ratio_from_bytes && total / limits.ratio > packed_bytes)) {
    throw InvalidInput("zip_bomb", "the archive declares more than " + std::to_string(limits.total_bytes) +
                                       " bytes in all, or " + std::to_string(limits.ratio) + " times its own size");
  }
}

}  // namespace

bool looks_like_zip(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  return text.starts_with(std::string_view("PK\3\4", 4)) || text.starts_with(std::string_view("PK\5\6", 4));
}

ZipUpload::ZipUpload(Bytes bytes, const ZipUploadLimits& limits)
    : bytes_(std::move(bytes)), limits_(archive_limits(limits)) {
  auto archive = borrow();
  choose(*archive, limits);
  idle_.push_back(std::move(archive));
}

void ZipUpload::choose(ZipArchive& archive, const ZipUploadLimits& limits) {
  const std::vector<ZipEntry> entries = archive.entries();
  check_total(entries, bytes_.size(), limits);
  for (const ZipEntry& entry : entries) {
    const Bytes head = archive.read(entry.index, kHeadBytes);
    if (looks_like_zip(head)) {
      throw InvalidInput("nested_zip", "the archive holds another zip: unpack the outer one first");
    }
    if (sniff_format(head) == ImageFormat::kUnknown) {
      ++skipped_;
    } else {
      pictures_.push_back({entry.name, entry.index});
    }
  }
  if (pictures_.empty()) {
    throw InvalidInput("no_picture",
                       "none of the " + std::to_string(entries.size()) + " files in the archive is DICOM, PNG or JPEG");
  }
}

std::unique_ptr<ZipArchive> ZipUpload::borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto archive = std::move(idle_.back());
      idle_.pop_back();
      return archive;
    }
  }
  return std::make_unique<ZipArchive>(bytes_, kName, limits_);
}

Bytes ZipUpload::read(std::uint64_t index) {
  auto archive = borrow();
  Bytes content = archive->read(index);  // when it throws the handle is not used again
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(archive));
  return content;
}

}  // namespace pulmo::serving
