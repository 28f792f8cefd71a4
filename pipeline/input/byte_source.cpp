#include "pipeline/input/byte_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;

Bytes read_prefix(const fs::path& path, std::uint64_t size) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw IoError("cannot open " + path.string());
  Bytes bytes(static_cast<std::size_t>(size));
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (stream.bad()) throw IoError("cannot read " + path.string());
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  return bytes;
}

}  // namespace

bool has_zip_name(std::string_view name) {
  if (name.size() < 4) return false;
  std::string end(name.substr(name.size() - 4));
  std::transform(end.begin(), end.end(), end.begin(), [](unsigned char c) { return std::tolower(c); });
  return end == ".zip";
}

ByteSource::ByteSource(const std::vector<fs::path>& inputs, const ZipLimits& limits) : limits_(limits) {
  FolderIds visited;
  for (const fs::path& input : inputs) {
    if (!fs::exists(input)) throw InvalidInput("no_input", "the input " + input.string() + " does not exist");
    walk(input, visited);
  }
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  const auto same_name = [](const auto& a, const auto& b) { return a.name == b.name; };
  std::sort(entries_.begin(), entries_.end(), by_name);
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same_name), entries_.end());
  std::sort(refused_.begin(), refused_.end(), by_name);
}

void ByteSource::walk(const fs::path& path, FolderIds& visited) {
  std::error_code status;
  if (fs::is_directory(path, status)) {
    struct stat folder {};  // device and inode tell folders apart, so that links cannot make a circle
    if (::stat(path.c_str(), &folder) != 0 || !visited.emplace(folder.st_dev, folder.st_ino).second) return;
    for (auto item = fs::directory_iterator(path, status); !status && item != fs::directory_iterator();
         item.increment(status)) {
      walk(item->path(), visited);
    }
    if (status) refused_.push_back({path.string(), "unreadable", path.string() + ": " + status.message()});
  } else if (fs::is_regular_file(path, status)) {
    has_zip_name(path.string()) ? add_zip(path) : add_file(path);
  } else {
    refused_.push_back({path.string(), "unreadable", path.string() + ": neither a file nor a folder (a broken link?)"});
  }
}

void ByteSource::add_file(const fs::path& path) {
  std::error_code status;
  const auto size = fs::file_size(path, status);
  if (status) {
    refused_.push_back({path.string(), "unreadable", path.string() + ": " + status.message()});
    return;
  }
  entries_.push_back({path.string(), SourceEntry::kPlainFile, 0, size});
}

void ByteSource::add_zip(const fs::path& path) {
  try {
    const ZipArchive archive(path, limits_);
    const auto zip = static_cast<std::uint32_t>(zips_.size());
    zips_.push_back(path);
    for (const ZipEntry& entry : archive.entries()) {
      const std::string name = path.string() + "!" + entry.name;
      if (has_zip_name(entry.name)) {
        refused_.push_back({name, "nested_zip", name + " is a zip inside a zip; unpack the outer one first"});
      } else {
        entries_.push_back({name, zip, entry.index, entry.size_bytes});
      }
    }
  } catch (const InvalidInput& error) {
    refused_.push_back({path.string(), error.reason(), error.what()});
  } catch (const IoError& error) {
    refused_.push_back({path.string(), "unreadable", error.what()});
  }
}

const SourceEntry* ByteSource::find(std::string_view name) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name,
                                   [](const SourceEntry& entry, std::string_view key) { return entry.name < key; });
  return at != entries_.end() && at->name == name ? &*at : nullptr;
}

Bytes ByteReader::read(const SourceEntry& entry, std::uint64_t max_bytes) {
  if (entry.zip != SourceEntry::kPlainFile) return archive(entry.zip).read(entry.zip_index, max_bytes);
  const std::uint64_t size = std::min(entry.size_bytes, max_bytes);
  if (size > source_.limits().max_entry_bytes) {
    throw InvalidInput("too_large", entry.name + " has " + std::to_string(entry.size_bytes) + " bytes, at most " +
                                        std::to_string(source_.limits().max_entry_bytes) + " are read");
  }
  return read_prefix(entry.name, size);
}

ZipArchive& ByteReader::archive(std::uint32_t zip) {
  const auto found = std::find_if(open_.begin(), open_.end(), [&](const auto& item) { return item.first == zip; });
  if (found != open_.end()) {
    open_.splice(open_.begin(), open_, found);
  } else {
    ZipArchive fresh(source_.zips()[zip], source_.limits());
    if (open_.size() >= kOpenArchives) open_.pop_back();
    open_.emplace_front(zip, std::move(fresh));
  }
  return open_.front().second;
}

}  // namespace pulmo::pipeline
