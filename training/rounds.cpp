#include "training/rounds.h"

#include <stdexcept>

namespace pulmo::training {

TestSample test_sample(const std::vector<Round>& rounds, std::size_t index) {
  auto left = static_cast<std::int64_t>(index);
  for (const Round& round : rounds) {
    if (left < round.data.test.size()) return {&round, left};
    left -= round.data.test.size();
  }
  throw std::out_of_range("no round has test sample " + std::to_string(index));
}

}  // namespace pulmo::training
