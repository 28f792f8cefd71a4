#include "pipeline/phantom/uid.h"

#include <algorithm>
#include <array>

#include "core/support/seed.h"

namespace pulmo::pipeline::phantom {

std::string derive_uid(std::uint64_t seed, std::string_view purpose, std::uint64_t patient, std::uint64_t index) {
  std::uint64_t high = derive_seed(seed, purpose, 0, patient, index);
  std::uint64_t low = derive_seed(seed, purpose, 1, patient, index);
  high = (high & 0xffffffffffff0fffULL) | 0x4000ULL;  // version 4 and variant 1 of RFC 9562
  low = (low & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
  std::array<std::uint64_t, 4> words = {high >> 32U, high & 0xffffffffULL, low >> 32U, low & 0xffffffffULL};
  std::string digits;
  while (std::any_of(words.begin(), words.end(), [](std::uint64_t word) { return word != 0; })) {
    std::uint64_t rest = 0;  // long division by ten, digit by digit
    for (std::uint64_t& word : words) {
      const std::uint64_t value = (rest << 32U) | word;
      word = value / 10;
      rest = value % 10;
    }
    digits += static_cast<char>('0' + rest);
  }
  std::reverse(digits.begin(), digits.end());
  return "2.25." + digits;
}

}  // namespace pulmo::pipeline::phantom
