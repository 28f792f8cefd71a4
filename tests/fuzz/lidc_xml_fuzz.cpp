#include <cstdint>
#include <span>

#include "core/support/error.h"
#include "pipeline/lidc/lidc_xml.h"

/// Any bytes are read as readings or refused as InvalidInput.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto reading = pulmo::pipeline::parse_lidc_xml(std::as_bytes(std::span(data, size)), "fuzz");
    if (reading) pulmo::pipeline::combine_readings({*reading, *reading});
  } catch (const pulmo::InvalidInput&) {
  }
  return 0;
}
