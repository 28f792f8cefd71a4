#include "serving/http/request_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "core/support/seed.h"

namespace pulmo::serving {
namespace {

using Status = RequestReader::Status;

/// Feeds all of `data` in pieces, opening bodies as they come; returns what was not taken.
std::string feed_all(RequestReader& reader, std::string data, std::size_t piece) {
  while (!data.empty()) {
    const std::size_t used = reader.feed(std::string_view(data).substr(0, piece));
    data.erase(0, used);
    if (reader.status() == Status::kHeadComplete) reader.begin_body();
    if (reader.status() == Status::kComplete || reader.status() == Status::kRefused) break;
  }
  return data;
}

const std::string kPost = "POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

TEST(RequestReader, ReadsARequestHoweverItIsCutAndLeavesTheNextOne) {
  for (std::size_t piece = 1; piece <= kPost.size() + 3; ++piece) {
    RequestReader reader{HttpLimits{}};
    EXPECT_EQ(reader.status(), Status::kIdle);
    const std::string rest = feed_all(reader, kPost + "GET / HTTP", piece);
    ASSERT_EQ(reader.status(), Status::kComplete) << piece;
    const HttpRequest request = reader.take();
    EXPECT_EQ(as_text(request.body), "hello");
    EXPECT_EQ(rest, "GET / HTTP");
    EXPECT_EQ(reader.status(), Status::kIdle);
  }
}

TEST(RequestReader, DecidesOnTheHeadBeforeTheBody) {
  RequestReader reader{HttpLimits{}};
  const std::size_t used = reader.feed(kPost);
  EXPECT_EQ(reader.status(), Status::kHeadComplete);
  EXPECT_EQ(kPost.substr(used), "hello");
  EXPECT_EQ(reader.head().path, "/v1");
  EXPECT_EQ(reader.feed("more"), 0U);
}

TEST(RequestReader, SkipsEmptyLinesBeforeARequest) {
  RequestReader reader{HttpLimits{}};
  feed_all(reader, "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 1);
  EXPECT_EQ(reader.status(), Status::kComplete);
}

TEST(RequestReader, RefusesAtTheFirstWrongByte) {
  const std::string bad[] = {"SSH-2.0-OpenSSH_9.2\r\n", "\x16\x03\x01", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nA: b\rc",
                             std::string("GET /\0", 6)};
  for (const std::string& bytes : bad) {
    RequestReader reader{HttpLimits{}};
    feed_all(reader, bytes, 1);
    ASSERT_EQ(reader.status(), Status::kRefused) << bytes;
    EXPECT_EQ(reader.refusal().status(), 400);
  }
}

TEST(RequestReader, BoundsTheHead) {
  HttpLimits limits;
  limits.head_bytes = 100;
  RequestReader in_target(limits);
  feed_all(in_target, "GET /" + std::string(200, 'a'), 7);
  EXPECT_EQ(in_target.refusal().status(), 414);
  RequestReader in_headers(limits);
  feed_all(in_headers, "GET / HTTP/1.1\r\nA: " + std::string(200, 'a'), 7);
  EXPECT_EQ(in_headers.refusal().status(), 431);
}

TEST(RequestReader, SplitsMultipartBodiesAsTheyArrive) {
  const std::string body = "--B\r\nContent-Disposition: form-data; name=f; filename=g\r\n\r\ndata\r\n--B--\r\n";
  RequestReader reader{HttpLimits{}};
  feed_all(reader,
           "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: Multipart/Form-Data; boundary=B\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body,
           3);
  ASSERT_EQ(reader.status(), Status::kComplete);
  const HttpRequest request = reader.take();
  ASSERT_EQ(request.parts.size(), 1U);
  EXPECT_EQ(as_text(request.parts[0].data), "data");
  EXPECT_TRUE(request.body.empty());
}

TEST(RequestReader, RefusesMultipartThatEndsEarly) {
  RequestReader reader{HttpLimits{}};
  feed_all(reader,
           "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: "
           "6\r\n\r\n--B\r\n\r",
           1);
  ASSERT_EQ(reader.status(), Status::kRefused);
  EXPECT_EQ(reader.refusal().code(), "malformed_multipart");
}

TEST(RequestReader, ReadsAndIgnoresTheBodyOfAGet) {
  RequestReader reader{HttpLimits{}};
  feed_all(reader, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 2);
  ASSERT_EQ(reader.status(), Status::kComplete);
  EXPECT_TRUE(reader.take().body.empty());
}

TEST(RequestReader, NeverBuysMemoryOnTheWordOfAHeader) {
  RequestReader reader{HttpLimits{}};
  feed_all(reader, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n" + std::string(1000, 'x'), 100);
  ASSERT_EQ(reader.status(), Status::kBody);
  EXPECT_LT(reader.take().body.capacity(), 10'000U);
}

TEST(RequestReader, SurvivesAnyBytes) {
  Random random(derive_seed(1, "request-reader-test"));
  const std::string valid =
      "POST /v1/predict?a=%41 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B"
      "\r\nContent-Length: 34\r\nExpect: 100-continue\r\n\r\n--B\r\nA: b\r\n\r\nx\r\n--B--\r\n";
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = valid;
    for (std::uint64_t flips = random.below(4); flips > 0; --flips) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    bytes.resize(random.below(bytes.size() + 1));
    RequestReader reader{HttpLimits{}};
    feed_all(reader, bytes, 1 + random.below(40));
    if (reader.status() == Status::kRefused) {
      EXPECT_GE(reader.refusal().status(), 400);
    }
  }
}

}  // namespace
}  // namespace pulmo::serving
