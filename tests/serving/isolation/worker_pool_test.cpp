// Real decoder processes. A stopped one (SIGSTOP) stands for one that works on a hostile file: what it then dies of
// comes while it holds that file.
#include "serving/isolation/worker_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <future>
#include <limits>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/support/error.h"
#include "serving/isolation/confinement.h"
#include "serving/isolation/decoder.h"
#include "tests/serving/sample_slices.h"
#include "tests/support/test_paths.h"

namespace pulmo::serving {
namespace {

using testing::chest_picture;
using ::testing::Contains;
using testing::encoded;

/// Processes that this one started and that live.
std::vector<pid_t> children() {
  std::vector<pid_t> list;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string line;
    if (!std::getline(file, line)) continue;
    std::istringstream after_name(line.substr(line.rfind(')') + 1));
    char state = 0;
    pid_t parent = 0;
    if (after_name >> state >> parent && parent == ::getpid() && state != 'Z') list.push_back(std::stoi(line));
  }
  return list;
}

bool same(const cv::Mat& one, const cv::Mat& other) {
  return one.size() == other.size() && one.type() == other.type() && cv::countNonZero(one != other) == 0;
}

class WorkerPoolTest : public ::testing::Test {
 protected:
  void start(std::size_t processes = 1) {
    options_.program = pulmo::testing::bin_dir() / "pulmo-decoder";
    pool_ = std::make_unique<WorkerPool>(options_, processes, [this](WorkerEnd end) {
      const std::lock_guard lock(mutex_);
      ++ends_[end];
    });
    wait_for(processes);
  }
  void wait_for(std::size_t processes) const {
    while (pool_->ready() != processes) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  int count(WorkerEnd end) {
    const std::lock_guard lock(mutex_);
    return ends_[end];
  }
  /// "" when it decodes.
  std::string refusal(const Bytes& file) {
    try {
      pool_->decode(file, "x");
      return "";
    } catch (const InvalidInput& error) {
      return error.reason();
    }
  }
  /// The reason of a file during which the one process gets `signal`.
  std::string refusal_with(int signal) {
    const pid_t worker = children().at(0);
    ::kill(worker, SIGSTOP);
    auto refused = std::async(std::launch::async, [this] { return refusal(png_); });
    EXPECT_EQ(refused.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
    ::kill(worker, signal);
    ::kill(worker, SIGCONT);
    return refused.get();
  }

  const Bytes png_ = encoded(chest_picture());
  WorkerOptions options_;
  std::mutex mutex_;
  std::map<WorkerEnd, int> ends_;
  std::unique_ptr<WorkerPool> pool_;
};

TEST_F(WorkerPoolTest, DecodesExactlyAsThisProcessDoes) {
  start();
  for (const char* extension : {".png", ".jpg"}) {
    const Bytes file = encoded(chest_picture(true), extension);
    const DecodedSlice there = pool_->decode(file, "x");
    const DecodedSlice here = decode_here(file, "x", {});
    EXPECT_TRUE(same(there.slice.pixels, here.slice.pixels)) << extension;
    EXPECT_EQ(there.lossy, here.lossy);
    EXPECT_EQ(there.slice.kind, here.slice.kind);
    EXPECT_FALSE(there.dicom);
  }
}

TEST_F(WorkerPoolTest, RefusesAsThisProcessDoes) {
  options_.limits.max_side_px = 300;
  start();
  try {
    pool_->decode(as_bytes("nothing that is a picture"), "the name");
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "unknown_format");
    EXPECT_THAT(error.what(), ::testing::StartsWith("the name: "));
  }
  EXPECT_EQ(refusal({}), "unknown_format");
  EXPECT_EQ(refusal(encoded(cv::Mat(400, 20, CV_8UC1, cv::Scalar(3)))), "too_large");
  EXPECT_EQ(refusal(png_), "");
}

TEST_F(WorkerPoolTest, RefusesAFileThatDoesNotFit) {
  options_.input_bytes = 4096;
  start();
  EXPECT_EQ(refusal(Bytes(4097)), "too_large");
}

TEST_F(WorkerPoolTest, ServesManyThreads) {
  start(2);
  const DecodedSlice expected = decode_here(png_, "x", {});
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 40; ++i) good += same(pool_->decode(png_, "x").slice.pixels, expected.slice.pixels) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 240);
  EXPECT_TRUE(ends_.empty());
}

TEST_F(WorkerPoolTest, ACrashCostsItsOwnFileAndTheProcessIsReplaced) {
  start();
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS}) {
    EXPECT_EQ(refusal_with(signal), "decoder_failed");
    EXPECT_EQ(refusal(png_), "");
  }
  EXPECT_EQ(count(WorkerEnd::kCrash), 3);
}

TEST_F(WorkerPoolTest, TellsAKillFromOutsideFromACrash) {
  start();
  EXPECT_EQ(refusal_with(SIGKILL), "decoder_failed");
  EXPECT_EQ(count(WorkerEnd::kKilled), 1);
}

TEST_F(WorkerPoolTest, AnIdleProcessThatDiesCostsNobodyAnything) {
  start();
  const pid_t worker = children().at(0);
  ::kill(worker, SIGKILL);
  while (::testing::Value(children(), Contains(worker))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(refusal(png_), "");
  wait_for(1);
  EXPECT_EQ(count(WorkerEnd::kKilled), 1);
}

TEST_F(WorkerPoolTest, ARunawayIsKilledAfterItsTime) {
  options_.timeout = std::chrono::milliseconds(300);
  start();
  ::kill(children().at(0), SIGSTOP);
  EXPECT_EQ(refusal(png_), "decoder_timeout");
  wait_for(1);
  EXPECT_EQ(refusal(png_), "");
  EXPECT_EQ(count(WorkerEnd::kTimeout), 1);
}

TEST_F(WorkerPoolTest, ALackOfMemoryIsTheFilesFault) {
  if (!confinement_is_complete()) GTEST_SKIP() << "a sanitizer cannot be limited";
  options_.memory_bytes = 24 << 20U;
  start();
  EXPECT_EQ(refusal(encoded(cv::Mat(4000, 4000, CV_8UC1, cv::Scalar(3)))), "decoder_memory");
  EXPECT_EQ(refusal(png_), "");  // the process lives on
  EXPECT_TRUE(ends_.empty());
}

TEST_F(WorkerPoolTest, AProcessThatHasDoneMuchIsReplacedWithoutAWord) {
  options_.retire_after = std::chrono::seconds(0);
  start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(png_), "");
  wait_for(1);
  EXPECT_EQ(count(WorkerEnd::kRetired), 3);
}

TEST_F(WorkerPoolTest, SaysAtOnceWhenNoProcessStarts) {
  options_.program = "/bin/false";
  try {
    WorkerPool pool(options_, 1, {});
    FAIL();
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("/bin/false"));
  }
  options_.program = "/nowhere/pulmo-decoder";
  EXPECT_THROW(WorkerPool(options_, 1, {}), IoError);
}

TEST_F(WorkerPoolTest, LeavesNoProcessBehind) {
  start(2);
  EXPECT_EQ(children().size(), 2U);
  pool_.reset();
  EXPECT_TRUE(children().empty());
}

TEST(Decoder, DecodesHereWhenToldTo) {
  DecoderOptions options;
  options.isolated = false;
  const Decoder decoder(options, {});
  EXPECT_EQ(decoder.processes(), 0U);
  EXPECT_EQ(decoder.decode(encoded(chest_picture()), "x").slice.pixels.rows, 256);
  EXPECT_TRUE(children().empty());
}

// What a process that a hostile file has taken over could say.
TEST(Restore, BelievesNothingThatCannotBe) {
  const std::vector<float> pixels(64, 0.5F);
  const auto* bytes = reinterpret_cast<const std::byte*>(pixels.data());
  DecodeReply good;
  good.kind = ReplyKind::kDecoded;
  good.rows = good.columns = 8;
  EXPECT_EQ(restore(good, bytes, 256, {}).slice.pixels.at<float>(7, 7), 0.5F);
  const auto refused = [&](const std::function<void(DecodeReply&)>& change) {
    DecodeReply reply = good;
    change(reply);
    EXPECT_THROW(restore(reply, bytes, 256, {}), InvalidInput);
  };
  refused([](auto& reply) { reply.rows = 0; });
  refused([](auto& reply) { reply.columns = -8; });
  refused([](auto& reply) { reply.rows = 9; });
  refused([](auto& reply) { reply.rows = reply.columns = 65536; });
  refused([](auto& reply) { reply.row_spacing_mm = std::numeric_limits<double>::quiet_NaN(); });
  refused([](auto& reply) { reply.position_mm[1] = std::numeric_limits<double>::infinity(); });
  refused([](auto& reply) { put_text(reply.series, "<script>"); });
  refused([](auto& reply) { reply.series.fill('a'); });
}

}  // namespace
}  // namespace pulmo::serving
