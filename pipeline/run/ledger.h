#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pulmo::pipeline {

/// How often something happened, with its first few cases.
struct TallyEntry {
  std::int64_t count = 0;
  std::vector<std::string> examples;
};

/// Counts by reason.
class Tally {
 public:
  static constexpr std::size_t kExamples = 10;

  /// A negative count takes back.
  void add(const std::string& reason, const std::string& example = "", std::int64_t count = 1);
  void merge(const Tally& other);
  std::int64_t count(const std::string& reason) const;
  std::int64_t total() const;
  const std::map<std::string, TallyEntry>& entries() const { return entries_; }

 private:
  std::map<std::string, TallyEntry> entries_;
};

/// What a left-out thing is, so that each kind adds up.
enum class Scope { kFiles, kReadings, kSeries, kSlices, kNodules, kPatches, kRows };
inline constexpr std::array<Scope, 7> kScopes = {Scope::kFiles,   Scope::kReadings, Scope::kSeries, Scope::kSlices,
                                                 Scope::kNodules, Scope::kPatches,  Scope::kRows};
/// "files", "readings", ...
std::string_view to_string(Scope scope);

/// What became of the input, for report.yaml. Not thread-safe.
class Ledger {
 public:
  /// strict: the first problem ends the run.
  explicit Ledger(bool strict = false) : strict_(strict) {}

  /// Something is wrong with the input: a broken file, a reading without its series. Throws InvalidInput(reason,
  /// message) when strict.
  void problem(const std::string& reason, const std::string& message);
  /// Worth knowing, and used all the same: a gap in a series, a tilted gantry.
  void note(const std::string& reason, const std::string& message) { notes_.add(reason, message); }
  /// Not used by the rules of the task: another modality, an undecided nodule.
  void left_out(Scope scope, const std::string& reason, std::int64_t count = 1);
  void left_out(Scope scope, const Tally& tally);
  /// As they were counted elsewhere, never strict.
  void merge_problems(const Tally& tally) { problems_.merge(tally); }
  void merge_notes(const Tally& tally) { notes_.merge(tally); }
  void merge(const Ledger& other);
  /// A number worth reporting: files, series, nodules.
  void total(const std::string& name, std::int64_t value) { totals_[name] += value; }

  bool strict() const { return strict_; }
  const Tally& problems() const { return problems_; }
  const Tally& notes() const { return notes_; }
  const Tally& left_out(Scope scope) const { return left_out_[static_cast<std::size_t>(scope)]; }
  const std::map<std::string, std::int64_t>& totals() const { return totals_; }

 private:
  bool strict_;
  Tally problems_;
  Tally notes_;
  std::array<Tally, kScopes.size()> left_out_;
  std::map<std::string, std::int64_t> totals_;
};

}  // namespace pulmo::pipeline
