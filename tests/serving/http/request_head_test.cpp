#include "serving/http/request_head.h"

#include <gtest/gtest.h>

#include <string>

namespace pulmo::serving {
namespace {

RequestHead parse(const std::string& head, const HttpLimits& limits = {}) {
  return parse_request_head(head, limits);
}

RequestHead get(const std::string& target, const std::string& headers = "") {
  return parse("GET " + target + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
}

RequestHead post(const std::string& headers, const HttpLimits& limits = {}) {
  return parse("POST / HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n", limits);
}

/// Status and code of the refusal; "accepted" when there is none.
template <typename Action>
std::string outcome(Action action) {
  try {
    action();
  } catch (const HttpRefusal& refusal) {
    return std::to_string(refusal.status()) + " " + refusal.code();
  }
  return "accepted";
}

std::string outcome_of(const std::string& head) {
  return outcome([&] { parse(head); });
}

std::string outcome_of_post(const std::string& headers) {
  return outcome([&] { post(headers); });
}

TEST(RequestHead, ReadsMethodPathQueryAndHeaders) {
  const RequestHead head = get("/v1/a%20b?preview=1&name=a+b%26c&preview=0", "X-One:  two words \t\r\n");
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.path, "/v1/a b");
  EXPECT_EQ(head.query.at("preview"), "1");
  EXPECT_EQ(head.query.at("name"), "a b&c");
  EXPECT_EQ(head.header("x-one"), "two words");
  EXPECT_EQ(head.header("absent"), "");
}

TEST(RequestHead, TakesAbsoluteFormAsAProxySendsIt) {
  EXPECT_EQ(get("http://host:80/v2?a=b").path, "/v2");
  EXPECT_EQ(get("HTTP://host").path, "/");
}

TEST(RequestHead, TakesStarForOptionsOnly) {
  EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").path, "*");
  EXPECT_EQ(outcome_of("GET * HTTP/1.1\r\nHost: x\r\n\r\n"), "400 malformed_request");
}

TEST(RequestHead, KeepsConnectionByVersionAndHeader) {
  EXPECT_TRUE(get("/").keep_alive);
  EXPECT_FALSE(get("/", "Connection: upgrade, Close\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST(RequestHead, NeverInterpretsHeadersItDoesNotNeed) {
  const std::string odd =
      "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\nDate: yesterday\r\nCookie: a\r\n"
      "Content-Encoding: \"\r\nAuthorization: x\r\n";
  EXPECT_EQ(get("/", odd).headers.size(), 6U);
}

TEST(RequestHead, RefusesMalformedRequestLines) {
  for (const char* line : {"GET / HTTP/1.1 x", "GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/11", "GET / http/1.1",
                           "GET x HTTP/1.1", "G@T / HTTP/1.1", "GET /%zz HTTP/1.1", "GET /%0 HTTP/1.1",
                           "GET /%00 HTTP/1.1", "GET /a\x01 HTTP/1.1", " / HTTP/1.1"}) {
    EXPECT_EQ(outcome_of(std::string(line) + "\r\nHost: x\r\n\r\n"), "400 malformed_request") << line;
  }
}

TEST(RequestHead, RefusesMalformedHeaders) {
  for (const char* line : {"NoColon", " folded: x", "Name : x", ": x", "A: b\x01", "Host: again", "A\tB: c"}) {
    EXPECT_EQ(outcome_of_post(std::string(line) + "\r\n"), "400 malformed_request") << line;
  }
}

TEST(RequestHead, RefusesUnknownMethodsAndVersions) {
  EXPECT_EQ(outcome_of("BREW / HTTP/1.1\r\nHost: x\r\n\r\n"), "501 unknown_method");
  EXPECT_EQ(outcome_of("CONNECT host:1 HTTP/1.1\r\nHost: x\r\n\r\n"), "501 unknown_method");
  EXPECT_EQ(outcome_of("PRI * HTTP/2.0\r\n\r\n"), "505 http_version");
}

TEST(RequestHead, NeedsHostInHttp11Only) {
  EXPECT_EQ(outcome_of("GET / HTTP/1.1\r\n\r\n"), "400 malformed_request");
  EXPECT_EQ(outcome_of("GET / HTTP/1.0\r\n\r\n"), "accepted");
}

TEST(RequestHead, RefusesEveryTransferCodingWith411) {
  EXPECT_EQ(outcome_of_post("Transfer-Encoding: chunked\r\n"), "411 length_required");
  EXPECT_EQ(outcome_of_post("transfer-encoding: identity\r\n"), "411 length_required");
}

TEST(RequestHead, RefusesTwoFramingsAsSmuggling) {
  EXPECT_EQ(outcome_of_post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), "400 malformed_request");
  EXPECT_EQ(outcome_of_post("Content-Length: 5\r\nContent-Length: 5\r\n"), "400 malformed_request");
  EXPECT_EQ(outcome_of_post("Content-Length: 5, 5\r\n"), "400 malformed_request");
}

TEST(RequestHead, RefusesContentLengthThatIsNoPlainNumber) {
  for (const char* value : {"", "-1", "+5", "5x", "0x10", "1e9", " ", "5 5"}) {
    EXPECT_EQ(outcome_of_post("Content-Length: " + std::string(value) + "\r\n"), "400 malformed_request") << value;
  }
}

TEST(RequestHead, RefusesBodiesOverTheLimitWhateverTheDigits) {
  HttpLimits limits;
  limits.body_bytes = 1000;
  EXPECT_EQ(post("Content-Length: 1000\r\n", limits).content_length, 1000U);
  for (const char* value : {"1001", "1073741824", "100000000000000000", "99999999999999999999999999"}) {
    EXPECT_EQ(outcome([&] { post("Content-Length: " + std::string(value) + "\r\n", limits); }), "413 too_large");
  }
}

TEST(RequestHead, GivesOtherMethodsASmallerBody) {
  HttpLimits limits;
  limits.idle_body_bytes = 10;
  const std::string head = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n";
  EXPECT_EQ(outcome([&] { parse(head, limits); }), "413 too_large");
}

TEST(RequestHead, RefusesTooManyHeadersAndTooLongTargets) {
  std::string headers;
  for (int i = 0; i < 100; ++i) headers += "A: b\r\n";
  EXPECT_EQ(outcome_of_post(headers), "431 headers_too_large");
  EXPECT_EQ(outcome([&] { get("/" + std::string(9000, 'a')); }), "414 target_too_long");
}

TEST(RequestHead, KnowsOneExpectation) {
  EXPECT_TRUE(post("Expect: 100-Continue\r\nContent-Length: 5\r\n").expects_continue);
  EXPECT_FALSE(post("Expect: 100-continue\r\n").expects_continue);
  EXPECT_EQ(outcome_of_post("Expect: tea\r\n"), "417 expectation_failed");
}

TEST(HeaderParameters, ReadQuotedStringsWithSpacesEscapesAndSemicolons) {
  const ParameterisedValue value = parse_parameters("Form-Data; name=\"a; \\\"b\\\"\" ; filename=x.png;");
  EXPECT_EQ(value.value, "form-data");
  EXPECT_EQ(value.parameters.at("name"), "a; \"b\"");
  EXPECT_EQ(value.parameters.at("filename"), "x.png");
}

TEST(HeaderParameters, RefuseWhatIsMalformed) {
  for (const char* text : {"a; b", "a; =c", "a; b=\"c", "a; b=\"c\" d"}) {
    EXPECT_EQ(outcome([&] { parse_parameters(text); }), "400 malformed_request") << text;
  }
}

}  // namespace
}  // namespace pulmo::serving
