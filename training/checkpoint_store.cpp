#include <algorithm>
#include <cstdio>
#include <set>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "training/checkpoint.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "epoch-";
constexpr std::string_view kSuffix = ".pt";

// Two positions never share a name, so that writing one checkpoint cannot harm another; names sort by age.
std::string file_name(const Progress& progress) {
  char name[64];
  std::snprintf(name, sizeof name, "epoch-%06lld-step-%09lld.pt", static_cast<long long>(progress.epoch),
                static_cast<long long>(progress.step));
  return name;
}

fs::path digest_path(const fs::path& file) {
  return file.string() + ".sha256";
}

ByteView view(const std::vector<char>& bytes) {
  return std::as_bytes(std::span(bytes));
}

std::vector<char> read_verified(const fs::path& file) {
  const Bytes raw = read_file(file, std::uint64_t{1} << 40U);
  const auto* data = reinterpret_cast<const char*>(raw.data());
  std::vector<char> bytes(data, data + raw.size());
  const std::string expected = read_text_file(digest_path(file)).substr(0, 64);
  if (sha256_hex(view(bytes)) != expected) {
    throw InvalidInput("checkpoint", "its bytes do not match its SHA-256");
  }
  return bytes;
}

void remove_checkpoint(const fs::path& file) {
  std::error_code ignored;
  fs::remove(file, ignored);
  fs::remove(digest_path(file), ignored);
}

}  // namespace

CheckpointStore::CheckpointStore(fs::path directory, std::int64_t keep)
    : directory_(std::move(directory)), keep_(keep) {}

void CheckpointStore::save(const Checkpoint& checkpoint) const {
  const std::vector<char> bytes = encode_checkpoint(checkpoint);
  const std::string name = file_name(checkpoint.progress);
  // The digest first: a checkpoint counts from the moment it appears under its name.
  write_file_atomically(digest_path(directory_ / name), sha256_hex(view(bytes)) + "  " + name + "\n");
  write_file_atomically(directory_ / name, std::string_view(bytes.data(), bytes.size()));
  std::vector<std::string> all = names();
  // What is later than this was passed over when the run went on from before it: it must not push out what is whole.
  while (all.back() != name) {
    remove_checkpoint(directory_ / all.back());
    all.pop_back();
  }
  const auto surplus = static_cast<std::int64_t>(all.size()) - keep_;
  for (std::int64_t i = 0; i < surplus; ++i) remove_checkpoint(directory_ / all[static_cast<std::size_t>(i)]);
}

std::optional<std::vector<char>> CheckpointStore::newest() const {
  std::vector<std::string> all = names();
  for (auto name = all.rbegin(); name != all.rend(); ++name) {
    try {
      return read_verified(directory_ / *name);
    } catch (const std::exception& error) {
      log_warning("checkpoint passed over", {{"file", *name}, {"why", error.what()}});
    }
  }
  if (all.empty()) return std::nullopt;
  throw InvalidInput("checkpoint", directory_.string() + ": none of the " + std::to_string(all.size()) +
                                       " checkpoints is whole: restore one from a backup, or start anew with --fresh");
}

std::vector<std::string> CheckpointStore::names() const {
  std::vector<std::string> found;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(directory_, missing)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) == 0 && entry.path().extension() == kSuffix) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

void CheckpointStore::clear() const {
  for (const std::string& name : names()) remove_checkpoint(directory_ / name);
}

void CheckpointStore::remove_abandoned() const {
  std::error_code missing;
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory_, missing)) {
    const std::string name = entry.path().filename().string();
    if (const auto end = name.find(".tmp-"); name.rfind(kPrefix, 0) == 0 && end != std::string::npos) {
      names.insert(name.substr(0, end));
    }
  }
  if (!names.empty()) pulmo::remove_abandoned(directory_, names);
}

std::optional<Checkpoint> load_newest(const CheckpointStore& store, const Communicator& communicator) {
  std::optional<std::vector<char>> bytes;
  communicator.together([&] {
    if (communicator.is_root()) bytes = store.newest();
  });
  if (communicator.max(std::uint64_t{bytes.has_value() ? 1U : 0U}) == 0) return std::nullopt;
  std::vector<std::byte> shared;
  if (bytes) {
    const auto* data = reinterpret_cast<const std::byte*>(bytes->data());
    shared.assign(data, data + bytes->size());
  }
  communicator.broadcast(shared);
  const auto* data = reinterpret_cast<const char*>(shared.data());
  std::optional<Checkpoint> checkpoint;
  communicator.together([&] { checkpoint = decode_checkpoint({data, data + shared.size()}); });
  return checkpoint;
}

}  // namespace pulmo::training
