#include "training/watch/watch.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/support/free_port.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"
#include "training/watch/metrics_listener.h"
#include "training/watch/pusher.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;
using pulmo::testing::free_port;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

pulmo::testing::ProcessResult scrape(int port) {
  return pulmo::testing::run_process({"curl", "-sSi", "http://127.0.0.1:" + std::to_string(port) + "/metrics"});
}

WatchOptions offered_on(int port) {
  WatchOptions options;
  options.metrics_address = "127.0.0.1";
  options.metrics_port = port;
  return options;
}

void train_a_little(Watch& watch, const fs::path& folder) {
  watch.begin({"proposed_cnn", "fold 1 of 5", 12, 157, 1, 0, 4}, folder);
  for (int step = 1; step <= 20; ++step) watch.step({step, 1, 0.75, 0.001, 32, 0.03, 0.002});
  EpochRecord epoch;
  epoch.epoch = 1;
  epoch.validation_roc_auc = 0.875;
  epoch.best = true;
  epoch.outlines = {1.5, 1.25, 0.375};
  watch.epoch(epoch, 20);
  watch.ranks_compared(true);
  watch.checkpoint();
}

// name -> type, of the metrics that are ours.
std::map<std::string, std::string> types_in(const std::string& text) {
  std::map<std::string, std::string> types;
  const std::regex line("# TYPE (\\S+) (\\S+)");
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) types[(*at)[1]] = (*at)[2];
  return types;
}

TEST(Watch, ARealScrapeFindsTheTraining) {
  const pulmo::testing::TempDir folder;
  Watch watch(offered_on(free_port()));
  train_a_little(watch, folder.path());
  const auto reply = scrape(watch.port());
  ASSERT_EQ(reply.exit_code, 0) << reply.err;
  EXPECT_THAT(reply.out, HasSubstr("200 OK"));
  EXPECT_THAT(reply.out, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_info{fold=\"fold 1 of 5\",row=\"proposed_cnn\"} 1"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_images_total 640"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_loss 0.75"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_validation_roc_auc 0.875"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_epoch_outline_loss 1.5\n"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_validation_outline_loss 1.25\n"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_validation_dice 0.375\n"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_step_duration_seconds_count 20"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_step_duration_seconds_bucket{le=\"0.05\"} 20"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_ranks 4"));
  EXPECT_THAT(reply.out, HasSubstr("pulmo_training_checkpoints_total 1"));
}

TEST(Watch, ANewRunTakesThePlaceOfTheOldOneAndTheCountersGoOn) {
  const pulmo::testing::TempDir folder;
  Watch watch(offered_on(free_port()));
  train_a_little(watch, folder.path());
  watch.begin({"conventional_cnn", "", 3, 10, 1, 0, 1}, folder.path());
  watch.step({1, 1, 0.5, 0.01, 32, 0.03, 0.0});
  const std::string text = scrape(watch.port()).out;
  EXPECT_THAT(text, Not(HasSubstr("proposed_cnn")));
  EXPECT_THAT(text, HasSubstr("row=\"conventional_cnn\"} 1"));
  EXPECT_THAT(text, HasSubstr("pulmo_training_images_total 672"));
  EXPECT_THAT(text, HasSubstr("pulmo_training_validation_roc_auc Nan"));
}

TEST(Watch, TellsNothingOfOutlinesThatARunDoesNotLearn) {
  const pulmo::testing::TempDir folder;
  Watch watch(offered_on(free_port()));
  train_a_little(watch, folder.path());
  watch.begin({"conventional_cnn", "", 3, 10, 1, 0, 1}, folder.path());
  watch.epoch({.epoch = 1, .train_loss = 0.5}, 10);
  const std::string text = scrape(watch.port()).out;
  EXPECT_THAT(text, HasSubstr("pulmo_training_epoch_loss 0.5\n"));
  EXPECT_THAT(text, Not(HasSubstr("outline_loss")));
  EXPECT_THAT(text, Not(HasSubstr("validation_dice")));
}

TEST(Watch, RefusesAPortThatIsTakenNamingIt) {
  const int port = free_port();
  const Watch first(offered_on(port));
  try {
    const Watch second(offered_on(port));
    FAIL() << "both got the port";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(port)));
  }
}

double value_of(const std::string& text, const std::string& series) {
  const std::size_t at = text.find("\n" + series + " ");
  return at == std::string::npos ? NAN : std::stod(text.substr(at + series.size() + 2));
}

TEST(Watch, TellsHowTheJobStandsAndWhenItLastMoved) {
  const pulmo::testing::TempDir folder;
  Watch watch(offered_on(free_port()));
  const auto now = [] { return static_cast<double>(std::time(nullptr)); };
  const double started = now();
  train_a_little(watch, folder.path());
  std::string text = scrape(watch.port()).out;
  EXPECT_EQ(value_of(text, "pulmo_training_state{state=\"running\"}"), 1);
  EXPECT_EQ(value_of(text, "pulmo_training_state{state=\"failed\"}"), 0);
  EXPECT_EQ(value_of(text, "pulmo_training_ranks_diverged"), 0);
  EXPECT_GE(value_of(text, "pulmo_training_last_progress_timestamp_seconds"), started);
  EXPECT_LE(value_of(text, "pulmo_training_last_progress_timestamp_seconds"), now() + 1);
  const auto space = fs::space(folder.path());
  EXPECT_EQ(value_of(text, "pulmo_training_disk_size_bytes"), static_cast<double>(space.capacity));
  EXPECT_GT(value_of(text, "pulmo_training_disk_free_bytes"), 0);
  watch.ranks_compared(false);
  watch.end(RunState::kFailed);
  text = scrape(watch.port()).out;
  EXPECT_EQ(value_of(text, "pulmo_training_state{state=\"running\"}"), 0);
  EXPECT_EQ(value_of(text, "pulmo_training_state{state=\"failed\"}"), 1);
  EXPECT_EQ(value_of(text, "pulmo_training_ranks_diverged"), 1);
}

class ListenerTest : public ::testing::Test {
 protected:
  // What the listener sends to a client that says exactly this.
  std::string reply_to(const std::string& said) const {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(listener_.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::send(socket, said.data(), said.size(), MSG_NOSIGNAL), static_cast<ssize_t>(said.size()));
    std::string reply;
    char part[1024];
    for (ssize_t n = 0; (n = ::recv(socket, part, sizeof part, 0)) > 0;)
      reply.append(part, static_cast<std::size_t>(n));
    ::close(socket);
    return reply;
  }

  MetricsListener listener_{"127.0.0.1", 0, [] { return std::string("x 1\n"); }};
};

TEST_F(ListenerTest, AnswersOnlyWhatItOffers) {
  EXPECT_THAT(reply_to("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"), HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(reply_to("GET /metrics?x=1 HTTP/1.0\r\n\r\n"), HasSubstr("\r\n\r\nx 1\n"));
  EXPECT_THAT(reply_to("GET / HTTP/1.1\r\n\r\n"), HasSubstr("404 Not Found"));
  EXPECT_THAT(reply_to("POST /metrics HTTP/1.1\r\n\r\n"), HasSubstr("405 Method Not Allowed"));
  EXPECT_THAT(reply_to("hello\r\n\r\n"), HasSubstr("400 Bad Request"));
}

TEST_F(ListenerTest, IsNotHeldUpByAClientThatSaysTooMuchOrTooLittle) {
  EXPECT_THAT(reply_to(std::string(100'000, 'x')), ::testing::AnyOf(HasSubstr("400"), ::testing::IsEmpty()));
  EXPECT_THAT(reply_to("GET /metr"), HasSubstr("400 Bad Request"));
  EXPECT_THAT(reply_to("GET /metrics HTTP/1.1\r\n\r\n"), HasSubstr("200 OK"));
}

TEST_F(ListenerTest, ListensOnIpv6TooAndRefusesWhatIsNoAddress) {
  const auto nothing = [] { return std::string(); };
  EXPECT_THROW(MetricsListener("not an address", 0, nothing), IoError);
  EXPECT_THROW(MetricsListener("127.0.0.1", listener_.port(), nothing), IoError);
  EXPECT_GT(MetricsListener("::1", 0, nothing).port(), 0);
}

TEST(Watch, TheDocumentListsTheMetricsThatThereAre) {
  const std::string document = read_text_file(pulmo::testing::source_dir() / "docs/metrics.md");
  const auto section = document.find("## While training");
  ASSERT_NE(section, std::string::npos);
  std::map<std::string, std::string> listed;
  const std::string rest = document.substr(section);
  const std::regex row("\n\\| `(\\w+)(?:\\{[^}]*\\})?` \\| (\\w+) \\|");
  for (std::sregex_iterator at(rest.begin(), rest.end(), row), end; at != end; ++at) listed[(*at)[1]] = (*at)[2];
  const pulmo::testing::TempDir folder;
  WatchOptions options;
  Watch watch(offered_on(free_port()));
  train_a_little(watch, folder.path());
  EXPECT_EQ(listed, types_in(scrape(watch.port()).out));
}

TEST(Watch, WritesEventsOfSomeStepsAndOfEveryEpoch) {
  const pulmo::testing::TempDir folder;
  Watch watch(WatchOptions{});
  train_a_little(watch, folder.path());
  fs::path file;
  for (const auto& entry : fs::directory_iterator(folder / "tensorboard")) file = entry.path();
  const auto reader = pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/event_file_reader.py", file});
  ASSERT_EQ(reader.exit_code, 0) << reader.err;
  std::istringstream lines(reader.out);
  std::map<std::string, std::vector<int>> steps;
  for (std::string line; std::getline(lines, line);) {
    const Json event = Json::parse(line);
    if (!event.contains("values")) continue;
    for (const auto& [tag, value] : event.at("values").items()) steps[tag].push_back(event.at("step"));
  }
  EXPECT_EQ(steps["step/loss"], (std::vector<int>{10, 20}));
  for (const char* tag : {"validation/roc_auc", "train/outline_loss", "validation/outline_loss", "validation/dice"}) {
    EXPECT_EQ(steps[tag], (std::vector<int>{20})) << tag;
  }
}

TEST(Watch, GoesOnWhereNoEventFileCanBe) {
  const pulmo::testing::TempDir folder;
  std::ofstream(folder / "tensorboard") << "not a folder";
  Watch watch(WatchOptions{});
  EXPECT_NO_THROW(train_a_little(watch, folder.path()));
}

class PusherTest : public ::testing::Test {
 protected:
  PusherTest()
      : gateway_({pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/push_gateway.py",
                  folder_ / "pushed"}) {
    wait_for([&] { return gateway_.out().find('\n') != std::string::npos; });
    port_ = std::stoi(gateway_.out());
  }

  static void wait_for(const std::function<bool()>& what) {
    for (int i = 0; i < 2000 && !what(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(what());
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<Json> pushed() const {
    std::vector<Json> lines;
    if (!fs::exists(folder_ / "pushed")) return lines;
    std::istringstream text(read_text_file(folder_ / "pushed"));
    for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
    return lines;
  }

  pulmo::testing::TempDir folder_;
  pulmo::testing::Process gateway_;
  int port_ = 0;
};

TEST_F(PusherTest, TheGatewayGetsTheMetricsWhileTheTrainingGoesOnAndAtItsEnd) {
  {
    WatchOptions options;
    options.push_url = url() + "/";
    options.push_seconds = 0.1;
    Watch watch(options);
    train_a_little(watch, folder_.path());
    wait_for([&] { return !pushed().empty(); });
    watch.step({21, 2, 0.625, 0.001, 8, 0.03, 0.0});
  }
  const auto puts = pushed();
  EXPECT_THAT(puts.back().at("path").get<std::string>(), HasSubstr("/metrics/job/pulmo-train/instance/"));
  EXPECT_THAT(puts.back().at("type").get<std::string>(), HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(puts.back().at("body").get<std::string>(), HasSubstr("pulmo_training_images_total 648\n"));
  EXPECT_THAT(puts.back().at("body").get<std::string>(), HasSubstr("pulmo_training_loss 0.625\n"));
}

TEST_F(PusherTest, AGatewayThatRefusesIsToldOnceAndTriedAgain) {
  std::ofstream(folder_ / "pushed.status") << 500;
  ::testing::internal::CaptureStderr();
  {
    const Pusher pusher(url(), std::chrono::milliseconds(20), [] { return std::string("x 1\n"); });
    wait_for([&] { return pushed().size() >= 3; });
    fs::remove(folder_ / "pushed.status");
    const std::size_t refused = pushed().size();
    wait_for([&] { return pushed().size() >= refused + 3; });
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("it answers 500"));
  EXPECT_EQ(log.find("does not take"), log.rfind("does not take")) << log;
  EXPECT_THAT(log, HasSubstr("takes the metrics again"));
}

TEST(Pusher, AMissingGatewayHoldsNothingUp) {
  const int nobody = free_port();
  const Pusher pusher("http://127.0.0.1:" + std::to_string(nobody), std::chrono::hours(1),
                      [] { return std::string(); });
}

TEST(Pusher, RefusesWhatIsNoGateway) {
  for (const char* url : {"gateway:9091", "ftp://gateway", "http://user@gateway", "http://gateway/?job=x"}) {
    EXPECT_THROW(Pusher(url, std::chrono::seconds(1), [] { return std::string(); }), InvalidInput) << url;
  }
}

}  // namespace
}  // namespace pulmo::training
