#include "pipeline/inspection/verify.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "core/store/manifest.h"
#include "core/support/digest.h"
#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

constexpr std::size_t kMaxProblemsOfAShard = 10;

// Where a picture or group was first seen.
struct Place {
  Split split;
  std::string file;
  std::int64_t sample;

  std::string text() const { return file + " sample " + std::to_string(sample); }
};

class Verifier {
 public:
  explicit Verifier(std::filesystem::path directory) : directory_(std::move(directory)) {}

  VerifyReport run(const VerifyProgress& progress) {
    try {
      manifest_ = read_manifest(directory_);
    } catch (const InvalidInput& error) {
      report_.problems.emplace_back(error.what());
      return report_;
    }
    std::int64_t total = 0;
    for (const Split which : kSplits) total += static_cast<std::int64_t>(manifest_.split(which).shards.size());
    std::int64_t done = 0;
    for (const Split which : kSplits) {
      for (const ManifestShard& entry : manifest_.split(which).shards) {
        check_shard(which, entry);
        if (progress) progress(++done, total);
      }
      check_counts(which);
    }
    check_patients();
    check_repeated_pictures();
    find_stray_shards();
    return report_;
  }

 private:
  void check_shard(Split which, const ManifestShard& entry);
  void check_samples(Split which, const std::string& file, const ShardReader& shard);
  std::optional<std::string> problem_of_sample(const ShardReader& shard, std::int64_t index);
  std::optional<std::string> problem_of_masks(const ShardReader& shard, std::int64_t index) const;
  void remember(Split which, const std::string& file, const ShardReader& shard, std::int64_t index);
  void check_counts(Split which);
  void check_patients();
  void check_listed(Split which, const std::set<std::string>& found);
  void check_repeated_pictures();
  void find_stray_shards();

  std::filesystem::path directory_;
  Manifest manifest_;
  VerifyReport report_;
  std::vector<std::uint16_t> image_;
  std::array<std::map<std::string, std::int64_t>, 3> counts_;
  std::map<std::string, std::set<Split>> patients_;
  std::map<std::string, std::pair<std::string, Place>> groups_;  // group: its patient, where first seen
  std::map<std::string, Place> pictures_;                        // SHA-256 of the pixels
  std::vector<std::pair<Place, Place>> repeated_;                // in two splits
  std::set<std::string> shared_groups_;
  std::set<Split> incomplete_;  // splits with a shard that could not be opened: their sums say nothing
};

void Verifier::check_shard(Split which, const ManifestShard& entry) {
  const std::filesystem::path file = directory_ / entry.file;
  try {
    if (sha256_file(file) != entry.sha256) {
      report_.problems.push_back(entry.file + ": its SHA-256 is not the manifest's: the file was changed or damaged");
    }
    const ShardReader shard(file);
    ++report_.shards;
    report_.bytes += static_cast<std::int64_t>(std::filesystem::file_size(file));
    if (const std::string difference = shard_difference(shard, entry, manifest_); !difference.empty()) {
      report_.problems.push_back(entry.file + ": " + difference);
    }
    check_samples(which, entry.file, shard);
  } catch (const std::runtime_error& error) {  // InvalidInput, IoError: the next shard may be good
    incomplete_.insert(which);
    report_.problems.emplace_back(error.what());
  }
}

void Verifier::check_samples(Split which, const std::string& file, const ShardReader& shard) {
  std::size_t problems = 0;
  for (std::int64_t i = 0; i < shard.size(); ++i) {
    remember(which, file, shard, i);
    std::optional<std::string> problem;
    try {
      problem = problem_of_sample(shard, i);
      ++report_.samples;
    } catch (const InvalidInput& error) {
      problem = error.what();
    }
    if (!problem) {
      const Place here{which, file, i};
      const auto [entry, fresh] = pictures_.emplace(sha256_hex(std::as_bytes(std::span(image_))), here);
      if (!fresh && entry->second.split != which) repeated_.emplace_back(entry->second, here);
      continue;
    }
    if (++problems <= kMaxProblemsOfAShard) report_.problems.push_back(*problem);
  }
  if (problems > kMaxProblemsOfAShard) {
    report_.problems.push_back(file + ": and " + std::to_string(problems - kMaxProblemsOfAShard) + " more");
  }
}

std::optional<std::string> Verifier::problem_of_sample(const ShardReader& shard, std::int64_t index) {
  const std::string where = shard.path().filename().string() + ", sample " + std::to_string(index) + ": ";
  image_.resize(static_cast<std::size_t>(shard.info().shape.elements()));
  shard.read_image(index, image_);
  if (!std::isfinite(shard.positions_mm()[static_cast<std::size_t>(index)])) return where + "its position is no number";
  const auto problem = problem_of_masks(shard, index);
  return problem ? std::optional(where + *problem) : std::nullopt;
}

std::optional<std::string> Verifier::problem_of_masks(const ShardReader& shard, std::int64_t index) const {
  shard.read_nodules(index);  // its shape was checked at opening, its checksum is checked here; any count may be stored
  const std::vector<std::uint8_t> lungs = shard.read_lungs(index);
  if (lungs.empty()) return std::nullopt;
  if (std::any_of(lungs.begin(), lungs.end(), [](std::uint8_t value) { return value > 1; }))
    return "its lung mask holds other values than 0 and 1";
  if (manifest_.spec.mask != LungMasking::kLungs || shard.info().shape.depth != 0) return std::nullopt;
  for (std::size_t i = 0; i < image_.size(); ++i) {  // channels one after the other
    if (lungs[i % lungs.size()] == 0 && image_[i] != 0)
      return "its image is not black outside the lungs, as preprocessing with mask lungs leaves it";
  }
  return std::nullopt;
}

void Verifier::remember(Split which, const std::string& file, const ShardReader& shard, std::int64_t index) {
  const auto at = static_cast<std::size_t>(index);
  const std::string& patient = shard.patients()[at];
  const std::string& group = shard.groups()[at];
  if (shard.labels()[at] < manifest_.class_names.size())
    ++counts_[static_cast<std::size_t>(which)][manifest_.class_names[shard.labels()[at]]];
  patients_[patient].insert(which);
  const Place here{which, file, index};
  const auto [entry, fresh] = groups_.emplace(group, std::pair(patient, here));
  if (!fresh && entry->second.first != patient && shared_groups_.insert(group).second) {
    report_.problems.push_back("the group of " + here.text() + " belongs to another patient in " +
                               entry->second.second.text());
  }
}

void Verifier::check_counts(Split which) {
  if (incomplete_.count(which) > 0) return;
  auto& found = counts_[static_cast<std::size_t>(which)];
  const auto& listed = manifest_.split(which).counts;
  for (const std::string& name : manifest_.class_names) {
    const auto entry = listed.find(name);
    const std::int64_t expected = entry == listed.end() ? 0 : entry->second;
    if (found[name] == expected) continue;
    report_.problems.push_back("the shards of " + std::string(to_string(which)) + " hold " +
                               std::to_string(found[name]) + " samples of class " + name + ", the manifest says " +
                               std::to_string(expected));
  }
}

void Verifier::check_patients() {
  report_.patients = static_cast<std::int64_t>(patients_.size());
  std::map<std::set<Split>, std::int64_t> shared;
  std::array<std::set<std::string>, 3> found;
  for (const auto& [patient, splits] : patients_) {
    if (splits.size() > 1) ++shared[splits];
    for (const Split which : splits) found[static_cast<std::size_t>(which)].insert(patient);
  }
  for (const auto& [splits, count] : shared) {
    std::string names;
    for (const Split which : splits) names.append(names.empty() ? "" : " and ").append(to_string(which));
    report_.problems.push_back("patients with samples in " + names + ": " + std::to_string(count) +
                               "; a patient belongs to one split only");
  }
  for (const Split which : kSplits) check_listed(which, found[static_cast<std::size_t>(which)]);
}

void Verifier::check_listed(Split which, const std::set<std::string>& found) {
  const auto& list = manifest_.split(which).patients;
  const std::set<std::string> listed(list.begin(), list.end());
  const auto missing_in = [](const std::set<std::string>& some, const std::set<std::string>& others) {
    return std::count_if(some.begin(), some.end(), [&](const std::string& name) { return others.count(name) == 0; });
  };
  const std::string split(to_string(which));
  if (const auto count = missing_in(found, listed); count > 0) {
    report_.problems.push_back("patients in the shards of " + split +
                               " that the manifest does not list: " + std::to_string(count));
  }
  if (const auto count = missing_in(listed, found); count > 0 && incomplete_.count(which) == 0) {
    report_.problems.push_back("patients that the manifest lists for " + split +
                               " without a sample: " + std::to_string(count));
  }
}

void Verifier::check_repeated_pictures() {
  if (repeated_.empty()) return;
  const auto& [first, second] = repeated_.front();
  report_.warnings.push_back("the same picture in two splits: " + std::to_string(repeated_.size()) +
                             " times (the first: " + first.text() + " and " + second.text() + ")");
}

void Verifier::find_stray_shards() {
  std::set<std::string> listed;
  for (const Split which : kSplits) {
    for (const ManifestShard& shard : manifest_.split(which).shards) listed.insert(shard.file);
  }
  std::vector<std::string> stray;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".h5" && listed.count(name) == 0) stray.push_back(name);
  }
  std::sort(stray.begin(), stray.end());
  for (const std::string& name : stray) report_.warnings.push_back(name + ": not in the manifest, so nothing reads it");
}

}  // namespace

std::string VerifyReport::text() const {
  std::string out;
  for (const std::string& problem : problems) out += "problem: " + problem + "\n";
  for (const std::string& warning : warnings) out += "warning: " + warning + "\n";
  out += (good() ? "good: " : std::to_string(problems.size()) + " problems: ") + std::to_string(shards) + " shards, " +
         std::to_string(samples) + " samples, " + std::to_string(patients) + " patients, " +
         std::to_string(bytes / (1024 * 1024)) + " MiB read\n";
  return out;
}

VerifyReport verify(const std::filesystem::path& directory, const VerifyProgress& progress) {
  return Verifier(directory).run(progress);
}

}  // namespace pulmo::pipeline
