#include "core/support/natural_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace pulmo {
namespace {

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end(), natural_less);
  return names;
}

TEST(NaturalOrder, NumbersGoByTheirValue) {
  EXPECT_THAT(sorted({"IM10", "IM2", "IM1", "IM100", "IM09"}),
              ::testing::ElementsAre("IM1", "IM2", "IM09", "IM10", "IM100"));
  EXPECT_THAT(sorted({"b2/1.png", "b10/1.png", "b2/10.png", "a11"}),
              ::testing::ElementsAre("a11", "b2/1.png", "b2/10.png", "b10/1.png"));
}

TEST(NaturalOrder, NumbersOfAnyLengthAreCompared) {
  EXPECT_TRUE(natural_less("99999999999999999999998", "99999999999999999999999"));
  EXPECT_TRUE(natural_less("99999999999999999999999", "100000000000000000000000"));
}

TEST(NaturalOrder, TextGoesByItsBytesAndBeginningsFirst) {
  EXPECT_THAT(sorted({"b", "", "a1x", "a", "a1", "\xc3\xa4"}),
              ::testing::ElementsAre("", "a", "a1", "a1x", "b", "\xc3\xa4"));
  EXPECT_TRUE(natural_less("1", "a"));
}

TEST(NaturalOrder, NamesOfOneValueStillHaveAnOrder) {
  EXPECT_TRUE(natural_less("a01", "a1"));
  EXPECT_FALSE(natural_less("a1", "a01"));
  EXPECT_FALSE(natural_less("a1", "a1"));
  EXPECT_TRUE(natural_less("a01b1", "a1b2"));
  EXPECT_TRUE(natural_less("a1b1", "a01b2"));
}

TEST(NaturalOrder, IsTransitive) {
  const std::vector<std::string> names = {"",   "0",  "00", "1",  "01",  "10", "2",   "a",   "a0",
                                          "a1", "a2", "1a", "1b", "01a", "-1", "a-1", "a10", "A1"};
  for (const auto& a : names) {
    for (const auto& b : names) {
      EXPECT_EQ(natural_less(a, b) + natural_less(b, a), a == b ? 0 : 1) << a << " " << b;
      for (const auto& c : names) {
        EXPECT_TRUE(!natural_less(a, b) || !natural_less(b, c) || natural_less(a, c)) << a << " " << b << " " << c;
      }
    }
  }
}

}  // namespace
}  // namespace pulmo
