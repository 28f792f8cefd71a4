// Lists its tests only where LibTorch finds a graphics card: so ctest registers them there and nowhere else.
#include <gtest/gtest.h>

#include "core/model/device.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (pulmo::gpu_count() == 0) GTEST_FLAG_SET(filter, "-*");
  return RUN_ALL_TESTS();
}
