#include "pipeline/run/output_folder.h"

#include <string_view>
#include <utility>
#include <vector>

#include "core/store/manifest.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "pipeline/run/run_draft.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;

// "train-00000.h5", or what a killed run left of writing it: "train-00000.h5.tmp-...".
bool is_shard(std::string_view name) {
  for (const std::string_view split : {"train-", "validation-", "test-"}) {
    if (!name.starts_with(split)) continue;
    const std::size_t digits_end = name.find_first_not_of("0123456789", split.size());
    if (digits_end == std::string_view::npos || digits_end == split.size()) return false;
    const std::string_view ending = name.substr(digits_end);
    return ending == ".h5" || ending.starts_with(".h5.tmp-");
  }
  return false;
}

std::vector<fs::path> shards_in(const fs::path& directory) {
  std::vector<fs::path> shards;
  for (const auto& item : fs::directory_iterator(directory)) {
    if (is_shard(item.path().filename().string())) shards.push_back(item.path());
  }
  return shards;
}

}  // namespace

OutputFolder::OutputFolder(fs::path directory, const std::string& part) : directory_(std::move(directory)) {
  make_writable_directory(directory_);
  make_writable_directory(state());
  lock_.emplace(state() / "run.lock", part.empty() ? FolderLock::Kind::kAlone : FolderLock::Kind::kShared);
  if (!part.empty()) part_lock_.emplace(state() / (part + ".lock"), FolderLock::Kind::kAlone);
}

OutputFolder::~OutputFolder() {
  part_lock_.reset();
  lock_.reset();
  std::error_code ignored;
  fs::remove(state(), ignored);  // only when nothing of a run lies in it
}

bool OutputFolder::claim(const std::string& fingerprint, bool force) {
  const std::string where = directory_.string();
  const std::string remedy = "; choose an empty folder, or replace it with --force";
  std::string problem;
  if (fs::exists(directory_ / "manifest.yaml")) {
    if (finished_fingerprint(directory_) == fingerprint) return true;
    problem = where + " holds data prepared with another configuration or from other input";
  } else if (has_draft(state())) {
    if (read_draft(state()).fingerprint == fingerprint) return false;
    problem = where + " holds an unfinished run with another configuration or of other input";
  } else if (!shards_in(directory_).empty()) {
    problem = where + " holds shards of unknown origin";
  }
  if (problem.empty()) return false;
  if (!force) throw InvalidInput("output", problem + remedy);
  discard();
  return false;
}

void OutputFolder::discard() {
  for (const char* name : {"manifest.yaml", "report.html", "report.yaml", "split.csv"}) fs::remove(directory_ / name);
  for (const fs::path& shard : shards_in(directory_)) fs::remove(shard);
  if (!fs::exists(state())) return;
  for (const auto& item : fs::directory_iterator(state())) {
    if (item.path().extension() != ".lock") fs::remove_all(item.path());
  }
}

void OutputFolder::clear_state() {
  fs::remove_all(state());
}

std::string finished_fingerprint(const fs::path& directory) {
  try {
    const Manifest manifest = read_manifest(directory);
    const auto at = manifest.provenance.find("fingerprint");
    return at == manifest.provenance.end() ? "" : at->second;
  } catch (const InvalidInput&) {
    return "";
  }
}

}  // namespace pulmo::pipeline
