#pragma once

#include <cstdint>
#include <string_view>

namespace pulmo::training {

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of the bytes.
std::uint32_t crc32c(std::string_view bytes);

/// As TFRecord files hold it: rotated right by 15 bits, plus 0xa282ead8, so that the checksum of data that holds
/// checksums is not weak.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace pulmo::training
