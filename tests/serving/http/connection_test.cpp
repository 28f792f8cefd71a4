#include "serving/http/connection.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace pulmo::serving {
namespace {

using std::chrono::milliseconds;

/// One connection over a socket pair, with handlers that the test controls.
class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() {
    host_->budget = std::make_shared<UploadBudget>(1'000'000);
    host_->next_request_id = [this] { return "id-" + std::to_string(++ids_); };
    host_->wake_keeper = [this] { ++wakes_; };
    host_->handlers.admit = [this](const RequestHead& head, const AdmissionInfo& info) {
      late_ = info.late;
      return head.path == "/refused" ? std::optional(error_response(404, "not_found", "", info.id)) : std::nullopt;
    };
    host_->handlers.handle = [this](HttpRequest request, const Responder& respond) {
      bodies_.emplace_back(as_text(request.body));
      paths_.push_back(request.head.path);
      if (request.head.path == "/throw") throw std::runtime_error("on purpose");
      if (request.head.path == "/later") {
        pending_.push_back(respond);
      } else {
        HttpResponse response;
        response.body = "answer to " + request.head.path + reply_tail_;
        respond(std::move(response));
      }
    };
    host_->handlers.observe = [this](const Exchange& exchange) { exchanges_.push_back(exchange); };
  }
  ~ConnectionTest() override { ::close(client_); }

  void open() {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    client_ = ends[0];
    connection_ = std::make_shared<Connection>(ends[1], host_);
  }
  /// What the client has received so far.
  std::string received() const {
    std::string text;
    char buffer[65536];
    ssize_t count = 0;
    while ((count = ::recv(client_, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }
  /// Whether the server has closed its side.
  bool server_closed() const {
    char byte = 0;
    return ::recv(client_, &byte, 1, MSG_DONTWAIT) == 0;
  }
  static std::string get(const std::string& path, const std::string& headers = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
  }
  static std::size_t count(const std::string& text, const std::string& needle) {
    std::size_t found = 0;
    for (auto at = text.find(needle); at != std::string::npos; at = text.find(needle, at + 1)) ++found;
    return found;
  }
  void pass_time(milliseconds time) { connection_->check(Clock::now() + time); }

  std::shared_ptr<ConnectionHost> host_ = std::make_shared<ConnectionHost>();
  std::shared_ptr<Connection> connection_;
  int client_ = -1;
  int ids_ = 0;
  std::atomic<int> wakes_{0};
  bool late_ = false;
  std::string reply_tail_;
  std::vector<std::string> bodies_, paths_;
  std::vector<Responder> pending_;
  std::vector<Exchange> exchanges_;
};

TEST_F(ConnectionTest, AnswersAndStaysOpen) {
  open();
  connection_->receive(get("/a"));
  const std::string reply = received();
  EXPECT_NE(reply.find("Connection: keep-alive"), std::string::npos);
  EXPECT_TRUE(reply.ends_with("answer to /a"));
  EXPECT_FALSE(server_closed());
  EXPECT_FALSE(connection_->busy());
}

TEST_F(ConnectionTest, ClosesWhenTheClientAsks) {
  open();
  connection_->receive(get("/a", "Connection: close\r\n"));
  EXPECT_NE(received().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(server_closed());
}

TEST_F(ConnectionTest, AnswersPipelinedRequestsInOrder) {
  open();
  connection_->receive(get("/1") + get("/2") + get("/3").substr(0, 10));
  connection_->receive(get("/3").substr(10));
  const std::string reply = received();
  EXPECT_EQ(count(reply, "HTTP/1.1 200"), 3U);
  EXPECT_LT(reply.find("answer to /1"), reply.find("answer to /2"));
  EXPECT_LT(reply.find("answer to /2"), reply.find("answer to /3"));
}

TEST_F(ConnectionTest, HoldsPipelinedRequestsUntilTheLateReplyIsOut) {
  open();
  connection_->receive(get("/later") + get("/next"));
  connection_->receive(get("/last"));
  EXPECT_EQ(received(), "");
  EXPECT_EQ(paths_.size(), 1U);
  HttpResponse response;
  response.body = "finally";
  std::exchange(pending_, {}).front()(std::move(response));
  const std::string reply = received();
  EXPECT_LT(reply.find("finally"), reply.find("answer to /next"));
  EXPECT_LT(reply.find("answer to /next"), reply.find("answer to /last"));
}

TEST_F(ConnectionTest, RefusesSmuggledBodiesByClosing) {
  open();
  connection_->receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + get("/smuggled"));
  const std::string reply = received();
  EXPECT_EQ(count(reply, "HTTP/1.1 "), 1U);
  EXPECT_NE(reply.find("413 Content Too Large"), std::string::npos);
  EXPECT_TRUE(server_closed());
  connection_->receive(get("/smuggled"));
  EXPECT_TRUE(paths_.empty());
}

TEST_F(ConnectionTest, LetsARefusedClientReadItsReplyWhileItStillSends) {
  open();
  connection_->receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
  const std::string junk(64 * 1024, 'x');
  for (int i = 0; i < 100; ++i) connection_->receive(junk);
  EXPECT_FALSE(connection_->closed());
  EXPECT_NE(received().find("413"), std::string::npos);
  for (int i = 0; i < 300; ++i) connection_->receive(junk);
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, ClosesAfterRefusingARequestWithABodyOnItsHead) {
  open();
  connection_->receive("POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /");
  EXPECT_NE(received().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(server_closed());
}

TEST_F(ConnectionTest, StaysOpenAfterRefusingARequestWithoutBody) {
  open();
  connection_->receive(get("/refused") + get("/a"));
  const std::string reply = received();
  EXPECT_NE(reply.find("404"), std::string::npos);
  EXPECT_NE(reply.find("answer to /a"), std::string::npos);
}

TEST_F(ConnectionTest, AnswersExpectContinueBeforeTheBody) {
  open();
  connection_->receive("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(received(), "HTTP/1.1 100 Continue\r\n\r\n");
  connection_->receive("body");
  EXPECT_NE(received().find("200 OK"), std::string::npos);
  EXPECT_EQ(bodies_.front(), "body");
}

TEST_F(ConnectionTest, AnswersHeadWithoutBody) {
  open();
  connection_->receive("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string reply = received();
  EXPECT_NE(reply.find("Content-Length: 12"), std::string::npos);
  EXPECT_TRUE(reply.ends_with("\r\n\r\n"));
}

TEST_F(ConnectionTest, TurnsAHandlersExceptionInto500) {
  open();
  connection_->receive(get("/throw") + get("/a"));
  const std::string reply = received();
  EXPECT_NE(reply.find("500 Internal"), std::string::npos);
  EXPECT_EQ(reply.find("on purpose"), std::string::npos);
  EXPECT_NE(reply.find("answer to /a"), std::string::npos);
}

TEST_F(ConnectionTest, AnswersAClientThatClosedItsSide) {
  open();
  connection_->receive(get("/later"));
  connection_->end_of_input();
  EXPECT_FALSE(connection_->closed());
  std::exchange(pending_, {}).front()(HttpResponse{});
  EXPECT_NE(received().find("200 OK"), std::string::npos);
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, ForgetsAClientThatLeft) {
  open();
  connection_->receive(get("/later"));
  ::close(client_);
  connection_->end_of_input();
  std::exchange(pending_, {}).front()(HttpResponse{});
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, SendsALargeReplyInPieces) {
  open();
  reply_tail_ = std::string(3'000'000, 'x');
  connection_->receive(get("/big") + get("/next"));
  EXPECT_GT(wakes_, 0);
  EXPECT_GE(connection_->awaiting_write(), 0);
  EXPECT_EQ(paths_.size(), 1U);  // no second reply is made while the first one waits
  std::string reply;
  for (int i = 0; i < 1000 && !reply.ends_with("answer to /next" + reply_tail_); ++i) {
    reply += received();
    connection_->flush();
  }
  EXPECT_EQ(count(reply, "HTTP/1.1 200"), 2U);
  EXPECT_GT(reply.size(), 6'000'000U);
}

TEST_F(ConnectionTest, DropsAClientThatTakesNothing) {
  open();
  reply_tail_ = std::string(3'000'000, 'x');
  connection_->receive(get("/big"));
  pass_time(host_->timeouts.write - milliseconds(1000));
  EXPECT_FALSE(connection_->closed());
  pass_time(host_->timeouts.write + milliseconds(1000));
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, Answers408ToASlowHead) {
  open();
  connection_->receive("GET / HT");
  pass_time(host_->timeouts.head - milliseconds(1000));
  EXPECT_EQ(received(), "");
  pass_time(host_->timeouts.head + milliseconds(1000));
  EXPECT_NE(received().find("408 Request Timeout"), std::string::npos);
  EXPECT_TRUE(server_closed());
}

TEST_F(ConnectionTest, Answers408ToASlowBody) {
  open();
  connection_->receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  pass_time(host_->timeouts.head + milliseconds(1000));
  EXPECT_EQ(received(), "");
  pass_time(host_->timeouts.body + milliseconds(1000));
  EXPECT_NE(received().find("408"), std::string::npos);
}

TEST_F(ConnectionTest, ClosesIdleConnectionsWithoutAWord) {
  open();
  connection_->receive(get("/a"));
  received();
  pass_time(host_->timeouts.idle + milliseconds(1000));
  EXPECT_EQ(received(), "");
  EXPECT_TRUE(server_closed());
  pass_time(host_->timeouts.linger + milliseconds(1000));
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, HasNoTimeLimitWhileARequestIsHandled) {
  open();
  connection_->receive(get("/later"));
  pass_time(std::chrono::hours(1));
  EXPECT_FALSE(connection_->closed());
  std::exchange(pending_, {}).front()(HttpResponse{});
  EXPECT_NE(received().find("200 OK"), std::string::npos);
}

TEST_F(ConnectionTest, RefusesBodiesOverTheServersBudget) {
  open();
  host_->budget->take(999'000);
  connection_->receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n");
  connection_->receive(std::string(2000, 'x'));
  const std::string reply = received();
  EXPECT_NE(reply.find("503"), std::string::npos);
  EXPECT_NE(reply.find("Retry-After"), std::string::npos);
  EXPECT_EQ(host_->budget->used_bytes(), 999'000U);
}

TEST_F(ConnectionTest, GivesTheBudgetBackAfterTheRequest) {
  open();
  connection_->receive("POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  std::exchange(pending_, {}).front()(HttpResponse{});
  EXPECT_EQ(host_->budget->used_bytes(), 0U);
}

TEST_F(ConnectionTest, EndsEveryConnectionWithItsNextReplyWhenDraining) {
  open();
  host_->draining = true;
  connection_->receive(get("/a"));
  EXPECT_NE(received().find("Connection: close"), std::string::npos);
  EXPECT_FALSE(late_);
}

TEST_F(ConnectionTest, TellsAdmissionThatItCameLate) {
  host_->draining = true;
  open();
  connection_->receive(get("/a"));
  EXPECT_TRUE(late_);
}

TEST_F(ConnectionTest, ClosesAfterMoreIsSentAheadThanIsKept) {
  open();
  connection_->receive(get("/later"));
  for (int i = 0; i < 3000; ++i) connection_->receive(get("/flood"));
  std::exchange(pending_, {}).front()(HttpResponse{});
  EXPECT_NE(received().find("Connection: close"), std::string::npos);
  EXPECT_EQ(paths_.size(), 1U);
}

TEST_F(ConnectionTest, ReportsEveryExchange) {
  open();
  connection_->receive(get("/a") + get("/refused") + "nonsense\n");
  ASSERT_EQ(exchanges_.size(), 3U);
  EXPECT_EQ(exchanges_[0].status, 200);
  EXPECT_EQ(exchanges_[1].code, "not_found");
  EXPECT_EQ(exchanges_[2].status, 400);
  EXPECT_EQ(exchanges_[2].method, "");
  EXPECT_EQ(exchanges_[2].id, "id-3");
}

TEST_F(ConnectionTest, AnswersFromManyThreadsWhileTheClientKeepsSending) {
  host_->handlers.observe = [](const Exchange&) {};
  std::mutex mutex;  // an answer may start the next request before the handler of its own has returned
  std::vector<std::thread> threads;
  host_->handlers.handle = [&](const HttpRequest&, const Responder& respond) {
    const std::lock_guard lock(mutex);
    threads.emplace_back([respond] { respond(HttpResponse{}); });
  };
  open();
  constexpr int kRequests = 200;
  std::string replies;
  for (int i = 0; i < kRequests; ++i) connection_->receive(get("/a"));
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (count(replies, "HTTP/1.1 200") < kRequests && Clock::now() < deadline) {
    replies += received();
    std::this_thread::yield();
  }
  EXPECT_EQ(count(replies, "HTTP/1.1 200"), static_cast<std::size_t>(kRequests));
  while (connection_->busy()) std::this_thread::yield();
  const std::lock_guard all_are_listed(mutex);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace pulmo::serving
