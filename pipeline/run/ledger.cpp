#include "pipeline/run/ledger.h"

#include "core/support/error.h"

namespace pulmo::pipeline {

void Tally::add(const std::string& reason, const std::string& example, std::int64_t count) {
  if (count == 0) return;
  TallyEntry& entry = entries_[reason];
  entry.count += count;
  if (!example.empty() && entry.examples.size() < kExamples) entry.examples.push_back(example);
}

void Tally::merge(const Tally& other) {
  for (const auto& [reason, theirs] : other.entries_) {
    TallyEntry& ours = entries_[reason];
    ours.count += theirs.count;
    for (const std::string& example : theirs.examples) {
      if (ours.examples.size() < kExamples) ours.examples.push_back(example);
    }
  }
}

std::int64_t Tally::count(const std::string& reason) const {
  const auto found = entries_.find(reason);
  return found == entries_.end() ? 0 : found->second.count;
}

std::int64_t Tally::total() const {
  std::int64_t sum = 0;
  for (const auto& [reason, entry] : entries_) sum += entry.count;
  return sum;
}

std::string_view to_string(Scope scope) {
  switch (scope) {
    case Scope::kFiles: return "files";
    case Scope::kReadings: return "readings";
    case Scope::kSeries: return "series";
    case Scope::kSlices: return "slices";
    case Scope::kNodules: return "nodules";
    case Scope::kPatches: return "patches";
    case Scope::kRows: break;
  }
  return "rows";
}

void Ledger::problem(const std::string& reason, const std::string& message) {
  if (strict_) throw InvalidInput(reason, message);
  problems_.add(reason, message);
}

void Ledger::left_out(Scope scope, const std::string& reason, std::int64_t count) {
  left_out_[static_cast<std::size_t>(scope)].add(reason, "", count);
}

void Ledger::left_out(Scope scope, const Tally& tally) {
  left_out_[static_cast<std::size_t>(scope)].merge(tally);
}

void Ledger::merge(const Ledger& other) {
  problems_.merge(other.problems_);
  notes_.merge(other.notes_);
  for (const Scope scope : kScopes) left_out(scope, other.left_out(scope));
  for (const auto& [name, value] : other.totals_) total(name, value);
}

}  // namespace pulmo::pipeline
