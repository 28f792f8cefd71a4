#include "core/support/html.h"

#include <gtest/gtest.h>

namespace pulmo {
namespace {

TEST(Html, EscapesWhatMarkupIsMadeOfAndDropsControlCharacters) {
  EXPECT_EQ(escape_html("a<b>&\"c'd"), "a&lt;b&gt;&amp;&quot;c&#39;d");
  EXPECT_EQ(escape_html("line\nnext\ttab\x01\x1b end"), "line\nnext\ttab end");
}

TEST(Html, EncodesBase64AsTheStandardSays) {  // RFC 4648 section 10
  const auto of = [](std::string_view text) { return base64(as_bytes(text)); };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(of("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace pulmo
