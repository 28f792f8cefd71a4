#include "pipeline/inspection/grouped.h"

#include <cstddef>
#include <cstdlib>

namespace pulmo::pipeline {

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(std::llabs(number));
  for (std::size_t at = text.size(); at > 3; at -= 3)
    text.insert(text.begin() + static_cast<std::ptrdiff_t>(at - 3), ',');
  if (number < 0) text.insert(text.begin(), '-');
  return text;
}

}  // namespace pulmo::pipeline
