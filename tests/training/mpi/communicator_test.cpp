#include "training/communicator.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <stdexcept>

namespace pulmo::training {
namespace {

const Communicator& ranks() {
  static const Communicator communicator(nullptr, nullptr);
  return communicator;
}

double ranks_as_real() {
  return static_cast<double>(ranks().size());
}

TEST(Communicator, SumsOverRanksInEveryType) {
  const double mine = ranks().rank() + 1.0, all = ranks_as_real() * (ranks_as_real() + 1.0) / 2.0;
  std::array<double, 2> reals = {mine, 10.0 * mine};
  std::array<float, 1> floats = {static_cast<float>(mine)};
  std::array<std::uint64_t, 1> counts = {static_cast<std::uint64_t>(mine) << 40U};
  ranks().sum(reals);
  ranks().sum(floats);
  ranks().sum(counts);
  EXPECT_EQ(reals, (std::array<double, 2>{all, 10.0 * all}));
  EXPECT_EQ(floats[0], static_cast<float>(all));
  EXPECT_EQ(counts[0], static_cast<std::uint64_t>(all) << 40U);
}

std::uint16_t bf16(float value) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16U);
}

TEST(Communicator, SumsBf16RoundingToNearestEven) {
  // 1 + 2^-8 lies between two bf16 values, 1 the even one; 1 + 3/256 between 1 + 2/256 and 1 + 4/256, the latter even.
  std::array<std::uint16_t, 3> values = {bf16(1.5F), bf16(ranks().is_root() ? 1.0F : 0x1p-8F),
                                         bf16(ranks().is_root() ? 1.0F + 0x1p-7F : 0x1p-8F)};
  ranks().sum_bf16(values);
  EXPECT_EQ(values[0], bf16(1.5F * static_cast<float>(ranks().size())));
  if (ranks().size() == 2) {
    EXPECT_EQ(values[1], bf16(1.0F));
    EXPECT_EQ(values[2], bf16(1.0F + 0x1p-6F));
  }
}

TEST(Communicator, GivesTheBytesOfAllToAll) {
  const std::vector<std::byte> mine(static_cast<std::size_t>(ranks().rank()), static_cast<std::byte>(ranks().rank()));
  std::vector<std::byte> expected;
  for (int rank = 0; rank < ranks().size(); ++rank) {
    expected.insert(expected.end(), static_cast<std::size_t>(rank), static_cast<std::byte>(rank));
  }
  EXPECT_EQ(ranks().all_gather(mine), expected);
}

TEST(Communicator, FindsTheLargest) {
  EXPECT_EQ(ranks().max(static_cast<std::uint64_t>(ranks().rank())), static_cast<std::uint64_t>(ranks().size() - 1));
  std::array<double, 1> value = {-1.0 * ranks().rank()};
  ranks().max(value);
  EXPECT_EQ(value[0], 0.0);
}

TEST(Communicator, BroadcastsFromAnyRank) {
  const int last = ranks().size() - 1;
  const std::string told = ranks().broadcast(ranks().rank() == last ? "from the last" : "x", last);
  EXPECT_EQ(told, "from the last");
  std::vector<std::byte> bytes(ranks().is_root() ? 3 : 0, std::byte{7});
  ranks().broadcast(bytes);
  EXPECT_EQ(bytes, std::vector<std::byte>(3, std::byte{7}));
}

TEST(Communicator, GathersUnevenSharesInRankOrder) {
  const std::vector<std::byte> mine(static_cast<std::size_t>(ranks().rank()), static_cast<std::byte>(ranks().rank()));
  const auto all = ranks().gather(mine);
  if (!ranks().is_root()) {
    EXPECT_TRUE(all.empty());
    return;
  }
  ASSERT_EQ(all.size(), static_cast<std::size_t>(ranks().size()));
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    EXPECT_EQ(all[rank], std::vector<std::byte>(rank, static_cast<std::byte>(rank)));
  }
}

TEST(Communicator, TellsEveryTextToEveryRank) {
  const auto all = ranks().all_gather("rank " + std::to_string(ranks().rank()));
  ASSERT_EQ(all.size(), static_cast<std::size_t>(ranks().size()));
  EXPECT_EQ(all.back(), "rank " + std::to_string(ranks().size() - 1));
}

TEST(Communicator, CountsTheRanksThatShareItsProcessors) {
  EXPECT_EQ(ranks().ranks_sharing_processors({0, 1}), static_cast<std::size_t>(ranks().size()));
  EXPECT_EQ(ranks().ranks_sharing_processors({ranks().rank()}), 1U);
  EXPECT_EQ(ranks().local_size(), ranks().size());
  EXPECT_EQ(ranks().local_rank(), ranks().rank());
  EXPECT_EQ(ranks().processors_of_machine({50, ranks().rank()}), static_cast<std::size_t>(ranks().size() + 1));
}

TEST(Communicator, TogetherPassesWhereNobodyFails) {
  int done = 0;
  ranks().together([&] { ++done; });
  EXPECT_EQ(done, 1);
}

TEST(Communicator, LowestFailingRankTellsWhyAndTheOthersLeaveSilently) {
  const int first = ranks().size() > 1 ? 1 : 0;
  std::string told;
  try {
    ranks().together([&] {
      if (ranks().rank() >= first) throw std::runtime_error("rank " + std::to_string(ranks().rank()));
    });
  } catch (const PeerFailed&) {
    told = "silent";
  } catch (const std::runtime_error& error) {
    told = error.what();
  }
  EXPECT_EQ(told, ranks().rank() == first ? "rank " + std::to_string(first) : "silent");
  EXPECT_TRUE(ranks().failed_together());
}

TEST(Communicator, AloneItIsOneRankWithoutMpi) {
  const Communicator alone = Communicator::alone();
  std::array<double, 1> value = {2.0};
  alone.sum(value);
  EXPECT_EQ(value[0], 2.0);
  EXPECT_EQ(alone.size(), 1);
  EXPECT_EQ(alone.gather(std::vector<std::byte>(2)).size(), 1U);
}

}  // namespace
}  // namespace pulmo::training
