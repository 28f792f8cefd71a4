#include "training/evaluation/wrong_cases.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace pulmo::training {

std::vector<WrongCase> wrong_cases(const std::vector<Prediction>& test, const RunFacts& facts, std::size_t most) {
  const std::vector<double> thresholds = thresholds_of(facts);
  std::map<std::pair<std::string, std::string>, std::size_t> groups;
  std::vector<WrongCase> wrong;
  for (std::size_t i = 0; i < test.size(); ++i) {
    const Prediction& one = test[i];
    const std::size_t group = groups.try_emplace({one.patient, one.group}, groups.size() + 1).first->second;
    const int decision = decide(one.probabilities, facts.classes.positive, thresholds[one.fold]);
    if (decision == one.label) continue;
    wrong.push_back({i, one.label, decision, one.probabilities[static_cast<std::size_t>(one.label)], group, ""});
  }
  std::stable_sort(wrong.begin(), wrong.end(),
                   [](const WrongCase& a, const WrongCase& b) { return a.probability < b.probability; });
  std::set<std::size_t> seen;
  std::map<int, std::size_t> taken;
  std::vector<WrongCase> worst;
  for (WrongCase& one : wrong) {
    if (taken[one.label] >= most || !seen.insert(one.group).second) continue;
    ++taken[one.label];
    worst.push_back(std::move(one));
  }
  return worst;
}

}  // namespace pulmo::training
