#include "serving/http/multipart.h"

#include <gtest/gtest.h>

#include <string>

#include "core/support/bytes.h"

namespace pulmo::serving {
namespace {

std::string text_of(const Part& part) {
  return std::string(as_text(part.data));
}

std::vector<Part> split(const std::string& body, const std::string& boundary, std::size_t piece,
                        std::size_t limit = 8) {
  MultipartParser parser(boundary, limit);
  for (std::size_t at = 0; at < body.size(); at += piece) parser.feed(std::string_view(body).substr(at, piece));
  parser.finish();
  return parser.take();
}

std::string refusal_of(const std::string& body, std::size_t limit = 8) {
  try {
    split(body, "B", 1, limit);
  } catch (const HttpRefusal& refusal) {
    return std::to_string(refusal.status()) + " " + refusal.code();
  }
  return "accepted";
}

// Data that looks like a boundary up to its last byte, and binary zeros.
const std::string kTrickyData = std::string("\0\r\n--Bo\r\n--\r\n\r\n--B", 18) + "\xff\r";

const std::string kTwoFiles =
    "preamble\r\n--Bound\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.png\"\r\n"
    "Content-Type: IMAGE/png; x=y\r\n\r\n" +
    kTrickyData +
    "\r\n--Bound  \r\ncontent-disposition: form-data; "
    "name=note\r\n\r\n\r\n--Bound\r\n\r\nbare\r\n--Bound--\r\nepilogue";

TEST(Multipart, GivesTheSamePartsHoweverTheBodyIsCut) {
  for (std::size_t piece = 1; piece <= kTwoFiles.size(); ++piece) {
    const std::vector<Part> parts = split(kTwoFiles, "Bound", piece);
    ASSERT_EQ(parts.size(), 3U) << piece;
    EXPECT_EQ(parts[0].name, "file");
    EXPECT_EQ(parts[0].filename, "a b.png");
    EXPECT_EQ(parts[0].content_type, "image/png");
    EXPECT_EQ(text_of(parts[0]), kTrickyData) << piece;
    EXPECT_EQ(parts[1].name, "note");
    EXPECT_FALSE(parts[1].has_filename);
    EXPECT_EQ(text_of(parts[1]), "");
    EXPECT_EQ(text_of(parts[2]), "bare");
  }
}

TEST(Multipart, TakesBodiesWithoutPreamble) {
  const auto parts = split("--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--B--", "B", 3);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(text_of(parts[0]), "x");
}

TEST(Multipart, TakesAnEmptyForm) {
  EXPECT_TRUE(split("--B--\r\n", "B", 2).empty());
}

TEST(Multipart, RefusesBodiesWithoutAnEnd) {
  EXPECT_EQ(refusal_of(""), "400 malformed_multipart");
  EXPECT_EQ(refusal_of("no boundary at all"), "400 malformed_multipart");
  EXPECT_EQ(refusal_of("--B\r\n\r\nhalf a part"), "400 malformed_multipart");
  EXPECT_EQ(refusal_of("--B\r\n\r\nx\r\n--B"), "400 malformed_multipart");
}

TEST(Multipart, RefusesTextAfterABoundary) {
  EXPECT_EQ(refusal_of("--Bxx\r\n\r\n--B--"), "400 malformed_multipart");
}

TEST(Multipart, RefusesHeadersWithoutEnd) {
  EXPECT_EQ(refusal_of("--B\r\nA: " + std::string(9000, 'x')), "400 malformed_multipart");
  EXPECT_EQ(refusal_of("--B" + std::string(9000, ' ')), "400 malformed_multipart");
}

TEST(Multipart, RefusesTransferEncodings) {
  EXPECT_EQ(refusal_of("--B\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--B--"), "400 malformed_multipart");
}

TEST(Multipart, RefusesMorePartsThanAllowed) {
  std::string body;
  for (int i = 0; i < 9; ++i) body += "--B\r\n\r\nx\r\n";
  EXPECT_EQ(refusal_of(body + "--B--", 9), "accepted");
  EXPECT_EQ(refusal_of(body + "--B--", 8), "413 too_many_parts");
}

TEST(Multipart, RefusesHugeFieldsThatAreNoFiles) {
  const std::string data(70'000, 'x');
  EXPECT_EQ(refusal_of("--B\r\nContent-Disposition: form-data; name=a\r\n\r\n" + data + "\r\n--B--"),
            "413 field_too_large");
  EXPECT_EQ(refusal_of("--B\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n" + data + "\r\n--B--"),
            "accepted");
}

TEST(MultipartBoundary, MayBeQuotedAndHoldSpaces) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(multipart_boundary("multipart/form-data; charset=utf-8; Boundary=\"a b:c\""), "a b:c");
}

TEST(MultipartBoundary, RefusesWhatRfc2046DoesNotAllow) {
  for (const std::string& value : {std::string(), std::string("; boundary="), std::string("; boundary=\"a \""),
                                   std::string("; boundary=a{b"), "; boundary=" + std::string(71, 'a')}) {
    EXPECT_THROW(multipart_boundary("multipart/form-data" + value), HttpRefusal) << value;
  }
}

}  // namespace
}  // namespace pulmo::serving
