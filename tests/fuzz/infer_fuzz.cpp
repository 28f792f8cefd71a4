#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "serving/http/message.h"
#include "serving/infer_request.h"
#include "serving/infer_samples.h"

/// Any body is an inference request of a small model, or refused as HttpRefusal; its samples are whole. The first two
/// bytes say how long the JSON is; 65535: there is nothing binary.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint16_t length = 0xffff;
  if (size >= sizeof length) {
    std::memcpy(&length, data, sizeof length);
    data += sizeof length;
    size -= sizeof length;
  }
  pulmo::BundleMetadata metadata;
  metadata.spec.size_px = 4;
  constexpr std::size_t kMost = 3;
  const pulmo::ByteView body(reinterpret_cast<const std::byte*>(data), size);
  try {
    const pulmo::serving::InferRequest request =
        pulmo::serving::parse_infer_request(body, length == 0xffff ? "" : std::to_string(length), kMost * 16);
    const auto samples = pulmo::serving::samples_of(request, metadata, kMost);
    if (samples.empty() || samples.size() > kMost) std::abort();
    for (const pulmo::serving::Upload& sample : samples) {
      if (!sample.sample.empty() && sample.sample.size() != 16) std::abort();
    }
  } catch (const pulmo::serving::HttpRefusal&) {
  }
  return 0;
}
