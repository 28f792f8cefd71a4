#include "serving/http/upload_budget.h"

#include <gtest/gtest.h>

namespace pulmo::serving {
namespace {

TEST(UploadBudget, RefusesWhatPassesTheLimitAndTakesItLater) {
  UploadBudget budget(100);
  EXPECT_TRUE(budget.take(60));
  EXPECT_FALSE(budget.take(41));
  EXPECT_EQ(budget.used_bytes(), 60U);
  budget.give_back(60);
  EXPECT_TRUE(budget.take(100));
}

TEST(UploadBudget, ALeaseGivesBackWhatItHeld) {
  const auto budget = std::make_shared<UploadBudget>(100);
  {
    UploadLease lease(budget);
    EXPECT_TRUE(lease.grow(30));
    EXPECT_TRUE(lease.grow(70));
    EXPECT_FALSE(lease.grow(1));
    EXPECT_EQ(budget->used_bytes(), 100U);
  }
  EXPECT_EQ(budget->used_bytes(), 0U);
}

TEST(UploadBudget, EbbsOnceAfterMuchWasHeldAndMostOfItGivenBack) {
  UploadBudget budget(1000);
  EXPECT_TRUE(budget.take(400));
  EXPECT_FALSE(budget.ebbed(400)) << "all of it is still held";
  budget.give_back(200);
  EXPECT_FALSE(budget.ebbed(400)) << "half of it is still held";
  budget.give_back(150);
  EXPECT_FALSE(budget.ebbed(401)) << "so much was never held";
  EXPECT_TRUE(budget.ebbed(400));
  EXPECT_FALSE(budget.ebbed(400)) << "the second time";
  EXPECT_TRUE(budget.take(450));
  budget.give_back(500);
  EXPECT_TRUE(budget.ebbed(500)) << "after the next flood";
}

}  // namespace
}  // namespace pulmo::serving
