#include "training/evaluation/attention_cases.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "training/evaluation/wrong_cases.h"

namespace pulmo::training {
namespace {

constexpr std::size_t kRightPositives = 2;
constexpr std::size_t kRightOthers = 1;
constexpr std::size_t kWrong = 3;

// Rightly decided samples, the most certain first.
std::vector<AttentionCase> right_cases(const std::vector<Prediction>& test, const RunFacts& facts) {
  const std::vector<double> thresholds = thresholds_of(facts);
  std::map<std::pair<std::string, std::string>, std::size_t> groups;
  std::vector<AttentionCase> right;
  for (std::size_t i = 0; i < test.size(); ++i) {
    const Prediction& one = test[i];
    const std::size_t group = groups.try_emplace({one.patient, one.group}, groups.size() + 1).first->second;
    if (decide(one.probabilities, facts.classes.positive, thresholds[one.fold]) != one.label) continue;
    right.push_back({i, one.label, one.label, one.probabilities[static_cast<std::size_t>(one.label)], group, {}});
  }
  std::stable_sort(right.begin(), right.end(),
                   [](const AttentionCase& a, const AttentionCase& b) { return a.probability > b.probability; });
  return right;
}

}  // namespace

std::vector<AttentionCase> attention_cases(const std::vector<Prediction>& test, const RunFacts& facts) {
  std::vector<AttentionCase> positives, others;
  std::set<std::size_t> seen;
  for (const AttentionCase& one : right_cases(test, facts)) {
    const bool positive = one.label == facts.classes.positive;
    std::vector<AttentionCase>& of_class = positive ? positives : others;
    if (of_class.size() < (positive ? kRightPositives : kRightOthers) && seen.insert(one.group).second) {
      of_class.push_back(one);
    }
  }
  std::vector<AttentionCase> cases = std::move(positives);
  cases.insert(cases.end(), others.begin(), others.end());
  std::size_t wrong = 0;
  for (const WrongCase& one : wrong_cases(test, facts, kWrong)) {
    if (wrong == kWrong || !seen.insert(one.group).second) continue;
    ++wrong;
    cases.push_back({one.index, one.label, one.decision, one.probability, one.group, {}});
  }
  return cases;
}

}  // namespace pulmo::training
