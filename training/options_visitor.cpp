#include "training/options_visitor.h"

#include <charconv>

namespace pulmo::training {

std::string OptionsWriter::shortest(double value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return {digits, end};
}

}  // namespace pulmo::training
