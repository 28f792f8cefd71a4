#include "pipeline/phantom/uid.h"

#include <gtest/gtest.h>

#include <set>

namespace pulmo::pipeline::phantom {
namespace {

TEST(DeriveUid, IsAUuidOfAtMost64Characters) {
  const std::string uid = derive_uid(7, "series", 3);
  EXPECT_EQ(uid.rfind("2.25.", 0), 0U);
  EXPECT_LE(uid.size(), 44U);  // 2^128 has 39 digits
  EXPECT_EQ(uid.find_first_not_of("0123456789."), std::string::npos);
  EXPECT_NE(uid[5], '0');
}

TEST(DeriveUid, DependsOnEachArgumentAndOnNothingElse) {
  const std::set<std::string> uids = {derive_uid(7, "series", 3, 1), derive_uid(8, "series", 3, 1),
                                      derive_uid(7, "study", 3, 1), derive_uid(7, "series", 4, 1),
                                      derive_uid(7, "series", 3, 2)};
  EXPECT_EQ(uids.size(), 5U);
  EXPECT_EQ(uids.count(derive_uid(7, "series", 3, 1)), 1U);
}

}  // namespace
}  // namespace pulmo::pipeline::phantom
