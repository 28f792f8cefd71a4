#include "core/model/device.h"

#include <gmock/gmock.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>

#include <fstream>
#include <iterator>

#include "core/model/torch_device.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

TEST(Device, RanksOfAMachineTakeItsCardsInTurn) {
  for (const DeviceChoice choice : {DeviceChoice::kAuto, DeviceChoice::kCuda}) {
    EXPECT_EQ(choose_device(choice, 0, 2), Device{0});
    EXPECT_EQ(choose_device(choice, 1, 2), Device{1});
    EXPECT_EQ(choose_device(choice, 2, 2), Device{0});
  }
}

TEST(Device, IsTheProcessorWhereAskedForOrWhereThereIsNoCard) {
  EXPECT_EQ(choose_device(DeviceChoice::kCpu, 1, 4), Device{});
  EXPECT_EQ(choose_device(DeviceChoice::kAuto, 1, 0), Device{});
  EXPECT_FALSE(Device{}.is_gpu());
}

TEST(Device, RefusesACardThatIsNotThereWithTheRemedy) {
  try {
    choose_device(DeviceChoice::kCuda, 0, 0);
    FAIL() << "it found one";
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "device");
    EXPECT_THAT(error.what(), ::testing::HasSubstr("device=cpu"));
  }
}

TEST(Device, IsNamedAsLibTorchNamesIt) {
  EXPECT_EQ(to_string(Device{}), torch_device({}).str());
  EXPECT_EQ(to_string(Device{1}), torch_device({1}).str());
}

TEST(Device, TheProcessorNeedsNoPreparation) {
  const bool fuses = torch::jit::tensorExprFuserEnabled();
  make_reproducible({});
  EXPECT_EQ(torch::jit::tensorExprFuserEnabled(), fuses);
}

TEST(Device, AProcessorWithoutInstructionsForBf16PrefersFloat32) {
  std::ifstream file("/proc/cpuinfo");
  const std::string flags{std::istreambuf_iterator<char>(file), {}};
  if (flags.find("avx512_bf16") != std::string::npos || flags.find("amx_bf16") != std::string::npos) {
    GTEST_SKIP() << "this processor has them";
  }
  EXPECT_FALSE(prefers_bf16({}));
}

}  // namespace
}  // namespace pulmo
