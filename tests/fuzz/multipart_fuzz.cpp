#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "serving/http/multipart.h"

namespace {

using namespace pulmo::serving;

struct Outcome {
  std::string refusal;
  std::vector<Part> parts;
};

Outcome parse(std::string_view body, std::size_t piece) {
  Outcome outcome;
  MultipartParser parser("a b", 8);
  try {
    for (std::string_view rest = body; !rest.empty();) {
      parser.feed(rest.substr(0, piece));
      rest.remove_prefix(std::min(piece, rest.size()));
    }
    parser.finish();
    outcome.parts = parser.take();
  } catch (const HttpRefusal& refusal) {
    outcome.refusal = refusal.code();
  }
  return outcome;
}

bool same(const Outcome& one, const Outcome& other) {
  return one.refusal == other.refusal && std::equal(one.parts.begin(), one.parts.end(), other.parts.begin(),
                                                    other.parts.end(), [](const Part& a, const Part& b) {
                                                      return a.name == b.name && a.filename == b.filename &&
                                                             a.has_filename == b.has_filename &&
                                                             a.content_type == b.content_type && a.data == b.data;
                                                    });
}

}  // namespace

/// Bodies and Content-Type values: the same parts however the body is cut, never more bytes than were sent.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (multipart_boundary(input.substr(0, input.find('\n'))).size() > 70) std::abort();
  } catch (const HttpRefusal&) {
  }
  const Outcome whole = parse(input, input.size() + 1);
  std::size_t bytes = 0;
  for (const Part& part : whole.parts) bytes += part.data.size();
  if (bytes > input.size()) std::abort();
  if (!same(whole, parse(input, data[0] % 32 + 1)) || !same(whole, parse(input, 1))) std::abort();
  return 0;
}
