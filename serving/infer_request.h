#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/support/bytes.h"

namespace pulmo::serving {

/// One input tensor of an inference request, its content as it was sent: `numbers` or `texts` from JSON (row-major,
/// nesting taken away), `raw` from the binary part.
struct InferInput {
  std::string name;
  std::string datatype;
  std::vector<std::int64_t> shape;
  std::string content_type;  ///< of its parameters: "base64" where the texts are that
  std::vector<float> numbers;
  std::vector<std::string> texts;
  std::optional<ByteView> raw;  ///< little-endian, within the request's body
};

struct InferOutput {
  std::string name;
  bool binary = false;
};

/// An inference request of the Open Inference Protocol v2.
struct InferRequest {
  std::optional<std::string> id;
  std::vector<InferInput> inputs;
  std::vector<InferOutput> outputs;  ///< empty: all
  bool binary_outputs = false;       ///< of those that do not say
};

/// Reads a request's body: JSON and, with the binary tensor extension, what follows its first `header_length` bytes
/// (Inference-Header-Content-Length; empty: the body is JSON alone). Memory is bounded whatever the JSON holds: at most
/// `max_values` numbers and texts, 4 bytes a number, and little beside them. `body` must outlive the result. Throws
/// HttpRefusal (400, or 413 too_large) with a sentence for the client.
InferRequest parse_infer_request(ByteView body, std::string_view header_length, std::size_t max_values);

}  // namespace pulmo::serving
