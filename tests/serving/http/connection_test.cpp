#include "serving/http/connection.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "serving/thread_pool.h"

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
    host_->run_later = [this](std::function<void()> task) {
      if (!ended_) tasks_.push_back(std::move(task));
      return !ended_;
    };
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
  void receive(std::string_view data) {
    connection_->receive(data);
    settle();
  }
  void answer(HttpResponse response) {
    std::exchange(pending_, {}).front()(std::move(response));
    settle();
  }
  /// What the threads of the handlers would do.
  void settle() {
    while (!tasks_.empty()) {
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
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
  std::deque<std::function<void()>> tasks_;
  bool ended_ = false;  ///< no thread takes a task any more
  std::vector<Exchange> exchanges_;
};

TEST_F(ConnectionTest, AnswersAndStaysOpen) {
  open();
  receive(get("/a"));
  const std::string reply = received();
  EXPECT_NE(reply.find("Connection: keep-alive"), std::string::npos);
  EXPECT_TRUE(reply.ends_with("answer to /a"));
  EXPECT_FALSE(server_closed());
  EXPECT_FALSE(connection_->busy());
}

TEST_F(ConnectionTest, ClosesWhenTheClientAsks) {
  open();
  receive(get("/a", "Connection: close\r\n"));
  EXPECT_NE(received().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(server_closed());
}

TEST_F(ConnectionTest, AnswersPipelinedRequestsInOrder) {
  open();
  receive(get("/1") + get("/2") + get("/3").substr(0, 10));
  receive(get("/3").substr(10));
  const std::string reply = received();
  EXPECT_EQ(count(reply, "HTTP/1.1 200"), 3U);
  EXPECT_LT(reply.find("answer to /1"), reply.find("answer to /2"));
  EXPECT_LT(reply.find("answer to /2"), reply.find("answer to /3"));
}

TEST_F(ConnectionTest, TakesOneRequestATurnAndNoneOnTheThreadThatReceivesOrAnswers) {
  open();
  connection_->receive(get("/1") + get("/refused") + get("/2"));
  EXPECT_EQ(paths_.size(), 0U);
  std::vector<std::size_t> replies;
  while (!tasks_.empty()) {
    EXPECT_EQ(tasks_.size(), 1U);  // however much it has sent, others wait for one request of it
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    replies.push_back(exchanges_.size());
  }
  EXPECT_EQ(replies, (std::vector<std::size_t>{1, 2, 2, 3}));  // a turn that reads a whole request ends there
  EXPECT_EQ(exchanges_[1].status, 404);
}

TEST_F(ConnectionTest, SaysSoWhenTheServerHasEnded) {
  open();
  ended_ = true;
  receive(get("/1"));
  EXPECT_NE(received().find("shutting_down"), std::string::npos);
  EXPECT_EQ(exchanges_.at(0).status, 503);
  EXPECT_TRUE(server_closed());
}

TEST_F(ConnectionTest, HoldsPipelinedRequestsUntilTheLateReplyIsOut) {
  open();
  receive(get("/later") + get("/next"));
  receive(get("/last"));
  EXPECT_EQ(received(), "");
  EXPECT_EQ(paths_.size(), 1U);
  HttpResponse response;
  response.body = "finally";
  answer(std::move(response));
  const std::string reply = received();
  EXPECT_LT(reply.find("finally"), reply.find("answer to /next"));
  EXPECT_LT(reply.find("answer to /next"), reply.find("answer to /last"));
}

TEST_F(ConnectionTest, RefusesSmuggledBodiesByClosing) {
  open();
  receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + get("/smuggled"));
  const std::string reply = received();
  EXPECT_EQ(count(reply, "HTTP/1.1 "), 1U);
  EXPECT_NE(reply.find("413 Content Too Large"), std::string::npos);
  EXPECT_TRUE(server_closed());
  receive(get("/smuggled"));
  EXPECT_TRUE(paths_.empty());
}

TEST_F(ConnectionTest, LetsARefusedClientReadItsReplyWhileItStillSends) {
  open();
  receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
  const std::string junk(64 * 1024, 'x');
  for (int i = 0; i < 100; ++i) receive(junk);
  EXPECT_FALSE(connection_->closed());
  EXPECT_NE(received().find("413"), std::string::npos);
  for (int i = 0; i < 300; ++i) receive(junk);
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, ClosesAfterRefusingARequestWithABodyOnItsHead) {
  open();
  receive("POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /");
  EXPECT_NE(received().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(server_closed());
}

TEST_F(ConnectionTest, StaysOpenAfterRefusingARequestWithoutBody) {
  open();
  receive(get("/refused") + get("/a"));
  const std::string reply = received();
  EXPECT_NE(reply.find("404"), std::string::npos);
  EXPECT_NE(reply.find("answer to /a"), std::string::npos);
}

TEST_F(ConnectionTest, AnswersExpectContinueBeforeTheBody) {
  open();
  receive("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(received(), "HTTP/1.1 100 Continue\r\n\r\n");
  receive("body");
  EXPECT_NE(received().find("200 OK"), std::string::npos);
  EXPECT_EQ(bodies_.front(), "body");
}

TEST_F(ConnectionTest, AnswersHeadWithoutBody) {
  open();
  receive("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string reply = received();
  EXPECT_NE(reply.find("Content-Length: 12"), std::string::npos);
  EXPECT_TRUE(reply.ends_with("\r\n\r\n"));
}

TEST_F(ConnectionTest, TurnsAHandlersExceptionInto500) {
  open();
  receive(get("/throw") + get("/a"));
  const std::string reply = received();
  EXPECT_NE(reply.find("500 Internal"), std::string::npos);
  EXPECT_EQ(reply.find("on purpose"), std::string::npos);
  EXPECT_NE(reply.find("answer to /a"), std::string::npos);
}

TEST_F(ConnectionTest, AnswersAClientThatClosedItsSide) {
  open();
  receive(get("/later"));
  connection_->end_of_input();
  settle();
  EXPECT_FALSE(connection_->closed());
  answer(HttpResponse{});
  EXPECT_NE(received().find("200 OK"), std::string::npos);
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, ForgetsAClientThatLeft) {
  open();
  receive(get("/later"));
  ::close(client_);
  connection_->end_of_input();
  settle();
  answer(HttpResponse{});
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, SendsALargeReplyInPieces) {
  open();
  reply_tail_ = std::string(3'000'000, 'x');
  receive(get("/big") + get("/next"));
  EXPECT_GT(wakes_, 0);
  EXPECT_GE(connection_->awaiting_write(), 0);
  EXPECT_EQ(paths_.size(), 1U);  // no second reply is made while the first one waits
  std::string reply;
  for (int i = 0; i < 1000 && !reply.ends_with("answer to /next" + reply_tail_); ++i) {
    reply += received();
    connection_->flush();
    settle();
  }
  EXPECT_EQ(count(reply, "HTTP/1.1 200"), 2U);
  EXPECT_GT(reply.size(), 6'000'000U);
}

TEST_F(ConnectionTest, DropsAClientThatTakesNothing) {
  open();
  reply_tail_ = std::string(3'000'000, 'x');
  receive(get("/big"));
  pass_time(host_->timeouts.write - milliseconds(1000));
  EXPECT_FALSE(connection_->closed());
  pass_time(host_->timeouts.write + milliseconds(1000));
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, Answers408ToASlowHead) {
  open();
  receive("GET / HT");
  pass_time(host_->timeouts.head - milliseconds(1000));
  EXPECT_EQ(received(), "");
  pass_time(host_->timeouts.head + milliseconds(1000));
  EXPECT_NE(received().find("408 Request Timeout"), std::string::npos);
  EXPECT_TRUE(server_closed());
}

TEST_F(ConnectionTest, Answers408ToASlowBody) {
  open();
  receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  pass_time(host_->timeouts.head + milliseconds(1000));
  EXPECT_EQ(received(), "");
  pass_time(host_->timeouts.body + milliseconds(1000));
  EXPECT_NE(received().find("408"), std::string::npos);
}

TEST_F(ConnectionTest, ClosesIdleConnectionsWithoutAWord) {
  open();
  receive(get("/a"));
  received();
  pass_time(host_->timeouts.idle + milliseconds(1000));
  EXPECT_EQ(received(), "");
  EXPECT_TRUE(server_closed());
  pass_time(host_->timeouts.linger + milliseconds(1000));
  EXPECT_TRUE(connection_->closed());
}

TEST_F(ConnectionTest, HasNoTimeLimitWhileARequestIsHandled) {
  open();
  receive(get("/later"));
  pass_time(std::chrono::hours(1));
  EXPECT_FALSE(connection_->closed());
  answer(HttpResponse{});
  EXPECT_NE(received().find("200 OK"), std::string::npos);
}

TEST_F(ConnectionTest, RefusesBodiesOverTheServersBudget) {
  open();
  host_->budget->take(999'000);
  receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n");
  receive(std::string(2000, 'x'));
  const std::string reply = received();
  EXPECT_NE(reply.find("503"), std::string::npos);
  EXPECT_NE(reply.find("Retry-After"), std::string::npos);
  EXPECT_EQ(host_->budget->used_bytes(), 999'000U);
}

TEST_F(ConnectionTest, GivesTheBudgetBackAfterTheRequest) {
  open();
  receive("POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  answer(HttpResponse{});
  EXPECT_EQ(host_->budget->used_bytes(), 0U);
}

TEST_F(ConnectionTest, EndsEveryConnectionWithItsNextReplyWhenDraining) {
  open();
  host_->draining = true;
  receive(get("/a"));
  EXPECT_NE(received().find("Connection: close"), std::string::npos);
  EXPECT_FALSE(late_);
}

TEST_F(ConnectionTest, TellsAdmissionThatItCameLate) {
  host_->draining = true;
  open();
  receive(get("/a"));
  EXPECT_TRUE(late_);
}

TEST_F(ConnectionTest, ClosesAfterMoreIsSentAheadThanIsKept) {
  open();
  receive(get("/later"));
  for (int i = 0; i < 3000; ++i) receive(get("/flood"));
  answer(HttpResponse{});
  EXPECT_NE(received().find("Connection: close"), std::string::npos);
  EXPECT_EQ(paths_.size(), 1U);
}

TEST_F(ConnectionTest, ReportsEveryExchange) {
  open();
  receive(get("/a") + get("/refused") + "nonsense\n");
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
  ThreadPool pool(2);
  host_->run_later = [&](std::function<void()> task) { return pool.submit(std::move(task)); };
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
