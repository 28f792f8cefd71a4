#include "serving/jobs.h"

#include <gtest/gtest.h>

#include <set>

namespace pulmo::serving {
namespace {

using namespace std::chrono_literals;

std::chrono::steady_clock::time_point in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

class JobsTest : public ::testing::Test {
 protected:
  void open(JobOptions options = {}) { jobs_ = std::make_unique<Jobs>(options); }
  /// The id of a new job; "" when it was refused.
  std::string add() {
    progress_ = std::make_shared<Progress>();
    const auto status = jobs_->add(progress_, [this](const std::string& id) { begun_.push_back(id); });
    return status ? status->id : "";
  }
  JobState state(const std::string& id) { return jobs_->find(id).value().state; }

  std::unique_ptr<Jobs> jobs_;
  std::shared_ptr<Progress> progress_;  ///< of the latest job
  std::vector<std::string> begun_;
};

TEST_F(JobsTest, RunsAsManyAsItMayAndTheOthersInTurn) {
  open({.at_once = 1});
  const std::string first = add();
  const std::string second = add();
  EXPECT_EQ(state(first), JobState::kRunning);
  EXPECT_EQ(state(second), JobState::kQueued);
  EXPECT_EQ(begun_, std::vector<std::string>{first});
  jobs_->finish(first, "{}");
  EXPECT_EQ(begun_, (std::vector<std::string>{first, second}));
  EXPECT_EQ(*jobs_->find(first)->result, "{}");
}

TEST_F(JobsTest, TellsTheProgressOfTheWork) {
  open();
  const std::string id = add();
  progress_->total = 9;
  progress_->done = 4;
  EXPECT_EQ(jobs_->find(id)->done, 4U);
  EXPECT_EQ(jobs_->find(id)->total, 9U);
}

TEST_F(JobsTest, CancellingStopsTheWorkAndIgnoresItsEnd) {
  open({.at_once = 1});
  const std::string running = add();
  const auto work = progress_;
  const std::string waiting = add();
  EXPECT_EQ(jobs_->cancel(waiting)->state, JobState::kCancelled);
  EXPECT_EQ(jobs_->cancel(running)->state, JobState::kCancelled);
  EXPECT_TRUE(work->cancelled);
  jobs_->finish(running, "{}");
  EXPECT_EQ(state(running), JobState::kCancelled);
  EXPECT_EQ(begun_, std::vector<std::string>{running});
  EXPECT_TRUE(jobs_->cancel(running));
  EXPECT_FALSE(jobs_->find(running));
}

TEST_F(JobsTest, ACancelledJobKeepsItsTurnUntilItsWorkHasEnded) {
  open({.at_once = 1});
  const std::string first = add();
  jobs_->cancel(first);
  jobs_->cancel(first);  // and forgotten
  const std::string second = add();
  EXPECT_EQ(state(second), JobState::kQueued);
  jobs_->fail(first, {"cancelled", ""});
  EXPECT_EQ(state(second), JobState::kRunning);
}

TEST_F(JobsTest, DropsWhatACancelledJobWouldHaveWorkedOn) {
  open({.at_once = 1});
  add();
  const auto held = std::make_shared<int>();
  const auto status = jobs_->add(std::make_shared<Progress>(), [held](const std::string&) {});
  EXPECT_EQ(held.use_count(), 2);
  jobs_->cancel(status->id);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(JobsTest, IdsCannotBeGuessed) {
  open({.most = 1000});
  std::set<std::string> ids;
  for (int i = 0; i < 500; ++i) ids.insert(add());
  EXPECT_EQ(ids.size(), 500U);
  for (const std::string& id : ids) EXPECT_EQ(id.size(), 32U);
}

TEST_F(JobsTest, EndedOnesMakeRoom) {
  open({.most = 2});
  const std::string first = add();
  const std::string second = add();
  EXPECT_EQ(add(), "");
  jobs_->fail(first, {"deadline", "late"});
  EXPECT_EQ(jobs_->find(first)->error->code, "deadline");
  EXPECT_NE(add(), "");
  EXPECT_FALSE(jobs_->find(first));
  EXPECT_TRUE(jobs_->find(second));
}

TEST_F(JobsTest, KeepsResultsWithinTheirBytes) {
  open({.result_bytes = 100});
  const std::string first = add();
  const std::string second = add();
  EXPECT_TRUE(jobs_->finish(first, std::string(60, 'x')));
  jobs_->finish(second, std::string(60, 'y'));
  EXPECT_FALSE(jobs_->find(first));
  EXPECT_EQ(jobs_->result_bytes(), 60U);
  const std::string third = add();
  EXPECT_FALSE(jobs_->finish(third, std::string(101, 'z')));
  EXPECT_EQ(jobs_->find(third)->error->code, "too_large");
  const std::string fourth = add();
  jobs_->cancel(fourth);
  EXPECT_TRUE(jobs_->finish(fourth, std::string(101, 'z')));  // it has failed nobody
}

TEST_F(JobsTest, ForgetsWhatWasKeptLongEnough) {
  open({.keep = std::chrono::seconds(0)});
  const std::string id = add();
  jobs_->finish(id, "{}");
  const auto limit = in(10s);
  while (jobs_->find(id) && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(1ms);
  EXPECT_FALSE(jobs_->find(id));
  EXPECT_EQ(jobs_->result_bytes(), 0U);
}

TEST_F(JobsTest, DrainingWaitsForTheWorkAndForWhoFetchesIt) {
  open();
  const std::string id = add();
  EXPECT_FALSE(jobs_->drain(1h, in(20ms)));
  EXPECT_EQ(add(), "");
  jobs_->finish(id, "{}");
  EXPECT_FALSE(jobs_->drain(1h, in(20ms)));
  EXPECT_TRUE(jobs_->drain(1ms, in(1h)));
  jobs_->find(id);
  EXPECT_TRUE(jobs_->drain(1h, in(0ms)));
}

TEST_F(JobsTest, ClosingFailsWhatRuns) {
  open();
  const std::string id = add();
  jobs_->close();
  EXPECT_TRUE(progress_->cancelled);
  EXPECT_EQ(jobs_->find(id)->error->code, "shutting_down");
  EXPECT_EQ(jobs_->running(), 0U);
}

}  // namespace
}  // namespace pulmo::serving
