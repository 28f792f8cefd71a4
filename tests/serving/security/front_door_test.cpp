#include "serving/security/front_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "core/support/error.h"
#include "tests/support/temp_dir.h"

namespace pulmo::serving {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

RequestHead head_of(const std::string& method, const std::string& path, std::vector<HeaderField> headers = {}) {
  RequestHead head;
  head.method = method;
  head.path = path;
  head.headers = std::move(headers);
  return head;
}

TEST(IsOpen, OnlyReadsOfThePageAndOfHealth) {
  for (const char* path : {"/", "/page/app.js", "/openapi.json", "/v2/health/live", "/v2/health/ready", "/v1x"}) {
    EXPECT_TRUE(is_open(head_of("GET", path), false)) << path;
    EXPECT_TRUE(is_open(head_of("HEAD", path), false)) << path;
    EXPECT_TRUE(is_open(head_of("OPTIONS", path), false)) << path;
    EXPECT_FALSE(is_open(head_of("POST", path), false)) << path;
    EXPECT_FALSE(is_open(head_of("DELETE", path), false)) << path;
  }
  for (const char* path :
       {"/v1", "/v1/jobs/x", "/v2", "/v2/models/m", "/v2/health", "/v2/health/live/x", "/metrics/x"}) {
    EXPECT_FALSE(is_open(head_of("GET", path), true)) << path;
  }
  EXPECT_TRUE(is_open(head_of("GET", "/metrics"), true));
  EXPECT_FALSE(is_open(head_of("GET", "/metrics"), false));
}

/// The code of the front door's refusal of a POST with these headers, in a server called "ct.example:8443".
std::string refusal_of(std::vector<HeaderField> headers, std::vector<std::string> origins = {},
                       const std::string& method = "POST") {
  Router router;
  for (const char* one : {"POST", "GET"}) router.add(one, "/", [](const auto&, const auto&, const auto&) {});
  FrontDoorOptions options;
  options.origins = std::move(origins);
  FrontDoor door(options, router);
  headers.push_back({"host", "ct.example:8443"});
  const auto refusal = door.admit(head_of(method, "/", std::move(headers)), {"id"});
  return refusal ? refusal->code : "";
}

TEST(CrossSite, PagesOfOtherOriginsAreRefusedWhatChangesSomething) {
  for (const char* origin : {"https://evil.example", "null", "https://ct.example", "https://ct.example:8443.evil",
                             "ct.example:8443", "https://xct.example:8443"}) {
    EXPECT_EQ(refusal_of({{"origin", origin}}), "cross_site") << origin;
    EXPECT_EQ(refusal_of({{"origin", origin}}, {"https://viewer.example"}), "cross_site") << origin;
    for (const char* method : {"GET", "HEAD", "OPTIONS"}) EXPECT_EQ(refusal_of({{"origin", origin}}, {}, method), "");
  }
  for (const char* site : {"cross-site", "same-site", "new"}) {
    EXPECT_EQ(refusal_of({{"sec-fetch-site", site}}), "cross_site") << site;
    EXPECT_EQ(refusal_of({{"sec-fetch-site", site}, {"origin", "https://ct.example:8443"}}), "cross_site") << site;
  }
}

TEST(CrossSite, ThePageItselfProgramsAndConfiguredOriginsAreNot) {
  EXPECT_EQ(refusal_of({}), "");
  EXPECT_EQ(refusal_of({{"origin", "https://CT.example:8443"}}), "");
  EXPECT_EQ(refusal_of({{"origin", "http://ct.example:8443"}}), "");
  EXPECT_EQ(refusal_of({{"sec-fetch-site", "same-origin"}, {"origin", "https://proxy.example"}}), "");
  EXPECT_EQ(refusal_of({{"sec-fetch-site", "none"}}), "");
  EXPECT_EQ(
      refusal_of({{"sec-fetch-site", "cross-site"}, {"origin", "https://viewer.example"}}, {"https://viewer.example"}),
      "");
  EXPECT_EQ(refusal_of({{"sec-fetch-site", "cross-site"}}, {"*"}), "");
}

TEST(RateLimiter, GivesTheBurstThenTheRate) {
  RateLimiter limiter({2.0, 3.0});
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limiter.take("a", begin)) << i;
  const auto wait = limiter.take("a", begin);
  ASSERT_TRUE(wait);
  EXPECT_NEAR(wait->count(), 0.5, 1e-9);
  EXPECT_FALSE(limiter.take("b", begin));  // of its own
  EXPECT_TRUE(limiter.take("a", begin + milliseconds(499)));
  EXPECT_FALSE(limiter.take("a", begin + milliseconds(501)));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limiter.take("a", begin + seconds(100))) << i;  // no more than the burst
  EXPECT_TRUE(limiter.take("a", begin + seconds(100)));
}

TEST(RateLimiter, WithoutARateCountsNothing) {
  RateLimiter limiter({0.0, 1.0});
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(limiter.take("a", Clock::time_point{}));
}

TEST(RateLimiter, KeepsItsMemoryBounded) {
  RateLimiter limiter({0.001, 1.0});
  const Clock::time_point begin = Clock::now();
  for (std::size_t i = 0; i < RateLimiter::kMaxClients; ++i) limiter.take("client " + std::to_string(i), begin);
  EXPECT_FALSE(limiter.take("one more", begin));
  EXPECT_TRUE(limiter.take("and another", begin));               // they share a bucket
  EXPECT_FALSE(limiter.take("later", begin + seconds(10'000)));  // the old ones are forgotten
  EXPECT_FALSE(limiter.take("too", begin + seconds(10'000)));
}

TEST(ClientNetwork, CountsAnIpv6NetworkAsOne) {
  EXPECT_EQ(client_network("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(client_network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_TRUE(is_address("::1"));
  EXPECT_FALSE(is_address("localhost"));
  EXPECT_FALSE(is_address(""));
}

class ApiKeysTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& text) {
    const auto path = folder_.path() / "keys";
    std::ofstream(path) << text;
    return path;
  }
  static std::optional<std::string> owner(const ApiKeys& keys, const std::string& name, const std::string& value) {
    return keys.owner(head_of("GET", "/v2", {{name, value}}));
  }
  pulmo::testing::TempDir folder_;
};

TEST_F(ApiKeysTest, KnowAKeyByItsDigest) {
  const std::string key = make_api_key();
  const ApiKeys keys(write("# comment\r\n\r\n" + key_line("one", "other") + "\r\n" + key_line("two", key)));
  EXPECT_EQ(owner(keys, "x-api-key", key), "two");
  EXPECT_EQ(owner(keys, "authorization", "bEaReR  " + key), "two");
  EXPECT_EQ(owner(keys, "authorization", "Basic " + key), std::nullopt);
  EXPECT_EQ(owner(keys, "x-api-key", key + "x"), std::nullopt);
  EXPECT_EQ(owner(keys, "x-api-key", ""), std::nullopt);
}

TEST_F(ApiKeysTest, RefuseAFileThatLetsNobodyInOrCannotBeRead) {
  for (const char* text : {"", "# nothing\n", "name\n", "name sha256:12\n", "name md5:00\n",
                           "na!me sha256:0000000000000000000000000000000000000000000000000000000000000000\n"}) {
    EXPECT_THROW(ApiKeys{write(text)}, InvalidInput) << text;
  }
  EXPECT_THROW(ApiKeys{folder_.path() / "none"}, IoError);
  EXPECT_FALSE(ApiKeys{{}}.required());
}

TEST_F(ApiKeysTest, ABadFileLeavesTheKeysThatWere) {
  const std::string key = make_api_key();
  ApiKeys keys(write(key_line("one", key)));
  write("broken");
  EXPECT_THROW(keys.reload(), InvalidInput);
  EXPECT_EQ(owner(keys, "x-api-key", key), "one");
}

}  // namespace
}  // namespace pulmo::serving
