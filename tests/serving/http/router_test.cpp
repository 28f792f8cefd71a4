#include "serving/http/router.h"

#include <gtest/gtest.h>

namespace pulmo::serving {
namespace {

Router sample_router() {
  Router router;
  const auto echo = [](const HttpRequest&, const Router::PathValues& values, const Responder& respond) {
    HttpResponse response;
    for (const auto& [name, value] : values) response.body += name + "=" + value + ";";
    respond(std::move(response));
  };
  router.add("GET", "/", echo);
  router.add("GET", "/v2/models/{model}", echo);
  router.add("GET", "/v2/models/{model}/ready", echo);
  router.add("POST", "/v1/predict", echo, [](const RequestHead& head, const AdmissionInfo& info) {
    return head.header("x") == "bad" ? std::optional(error_response(415, "unsupported_type", "no", info.id))
                                     : std::nullopt;
  });
  return router;
}

RequestHead head_of(const std::string& method, const std::string& path) {
  RequestHead head;
  head.method = method;
  head.path = path;
  return head;
}

HttpResponse ask(const Router& router, const std::string& method, const std::string& path) {
  HttpResponse answer;
  HttpRequest request;
  request.head = head_of(method, path);
  router.handle(std::move(request), Responder([&](HttpResponse response) { answer = std::move(response); }, "id"));
  return answer;
}

TEST(Router, FindsTheRouteAndItsValues) {
  const HttpResponse answer = ask(sample_router(), "GET", "/v2/models/cnn/ready");
  EXPECT_EQ(answer.body, "model=cnn;");
  EXPECT_EQ(answer.route, "/v2/models/{model}/ready");
}

TEST(Router, LetsHeadUseTheRouteOfGet) {
  EXPECT_EQ(ask(sample_router(), "HEAD", "/").route, "/");
}

TEST(Router, AnswersUnknownPathsWith404) {
  for (const char* path : {"/v2/models/", "/v2/models", "/nowhere", "//", "/v2/models/a/b", "/v1/predict/"}) {
    const auto refusal = sample_router().admit(head_of("GET", path), {"id"});
    ASSERT_TRUE(refusal) << path;
    EXPECT_EQ(refusal->status, 404) << path;
  }
}

TEST(Router, AnswersWrongMethodsWith405AndAllow) {
  const auto refusal = sample_router().admit(head_of("GET", "/v1/predict"), {"id"});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 405);
  EXPECT_EQ(refusal->headers.front().name, "Allow");
  EXPECT_EQ(refusal->headers.front().value, "OPTIONS, POST");
  EXPECT_EQ(sample_router().admit(head_of("DELETE", "/"), {"id"})->headers.front().value, "OPTIONS, GET, HEAD");
}

TEST(Router, AnswersOptionsItself) {
  EXPECT_FALSE(sample_router().admit(head_of("OPTIONS", "/v1/predict"), {"id"}));
  EXPECT_EQ(ask(sample_router(), "OPTIONS", "/v1/predict").status, 204);
  EXPECT_EQ(ask(sample_router(), "OPTIONS", "/v1/predict").headers.front().value, "OPTIONS, POST");
  EXPECT_EQ(ask(sample_router(), "OPTIONS", "*").headers.front().value, "OPTIONS, GET, HEAD, POST");
}

TEST(Router, AsksTheRoutesCheck) {
  RequestHead head = head_of("POST", "/v1/predict");
  EXPECT_FALSE(sample_router().admit(head, {"id"}));
  head.headers.push_back({"x", "bad"});
  const auto refusal = sample_router().admit(head, {"id"});
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->route, "/v1/predict");
}

TEST(Responder, AnswersOnceAndNeverNotAtAll) {
  int answers = 0;
  int last_status = 0;
  const auto sink = [&](const HttpResponse& response) {
    ++answers;
    last_status = response.status;
  };
  {
    const Responder respond(sink, "id");
    const Responder copy = respond;
    copy(HttpResponse{});
    respond(error_response(400, "malformed_request", "", ""));
  }
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(last_status, 200);
  { const Responder dropped(sink, "id"); }
  EXPECT_EQ(answers, 2);
  EXPECT_EQ(last_status, 500);
}

TEST(Serialise, SaysEveryTimeWhetherTheConnectionStays) {
  HttpResponse response;
  response.body = "body";
  response.headers.push_back({"X-More", "1"});
  const std::string kept = serialise(response, {false, true, "abc"});
  EXPECT_NE(kept.find("HTTP/1.1 200 OK\r\n"), std::string::npos);
  EXPECT_NE(kept.find("Connection: keep-alive\r\n"), std::string::npos);
  EXPECT_NE(kept.find("Content-Length: 4\r\n"), std::string::npos);
  EXPECT_NE(kept.find("X-Request-Id: abc\r\n"), std::string::npos);
  EXPECT_NE(kept.find("X-More: 1\r\n"), std::string::npos);
  EXPECT_TRUE(kept.ends_with("\r\n\r\nbody"));
  const std::string head = serialise(response, {true, false, "abc"});
  EXPECT_NE(head.find("Connection: close\r\n"), std::string::npos);
  EXPECT_NE(head.find("Content-Length: 4\r\n"), std::string::npos);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  response.status = 204;
  EXPECT_EQ(serialise(response, {}).find("Content-Length"), std::string::npos);
}

TEST(ErrorResponse, IsValidJsonWhateverTheMessageHolds) {
  const HttpResponse response = error_response(422, "no_lung", "\xff\"\n", "id");
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(response.body,
            "{\"error\":{\"code\":\"no_lung\",\"message\":\"\xEF\xBF\xBD\\\"\\n\",\"request_id\":\"id\"}}\n");
}

}  // namespace
}  // namespace pulmo::serving
