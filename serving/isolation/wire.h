#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "serving/isolation/decoded_slice.h"

namespace pulmo::serving {

// What the server and a decoder process say to each other: one DecodeRequest there, one DecodeReply back, each a single
// packet of a socket pair. The file and its pixels lie in memory that both see: first the file, then the pixels.

/// Descriptors that a decoder process finds open.
inline constexpr int kWorkerSocket = 3;
inline constexpr int kWorkerMemory = 4;

/// The shared memory: [0, input_bytes) the file, [input_bytes, input_bytes + pixel_bytes) the pixels.
struct SharedLayout {
  std::uint64_t input_bytes = 0;
  std::uint64_t pixel_bytes = 0;
  std::uint64_t total_bytes() const { return input_bytes + pixel_bytes; }
};

struct DecodeRequest {
  std::uint64_t file_bytes = 0;
  std::array<char, 264> name{};  ///< ends in NUL
};

enum class ReplyKind : std::uint32_t {
  kReady,    ///< the first packet: the process is confined and waits
  kDecoded,  ///< the pixels are in the shared memory
  kRefused,  ///< InvalidInput: reason and message
  kNoMemory,
  kFailed,  ///< any other exception
};

struct DecodeReply {
  ReplyKind kind = ReplyKind::kFailed;
  std::array<char, 40> reason{};    ///< ends in NUL
  std::array<char, 600> message{};  ///< ends in NUL
  std::array<char, 72> series{};    ///< ends in NUL
  std::int32_t rows = 0;
  std::int32_t columns = 0;
  std::uint8_t hounsfield = 0;
  std::uint8_t dicom = 0;
  std::uint8_t lossy = 0;
  std::uint8_t has_position = 0;
  double row_spacing_mm = 0.0;
  double column_spacing_mm = 0.0;
  std::int64_t instance_number = 0;
  std::int64_t frames = 1;
  std::array<double, 3> position_mm{};
  std::array<double, 6> orientation{};
  double slice_thickness_mm = 0.0;
  double cpu_s = 0.0;  ///< processor time of the process since its start
};

static_assert(std::is_trivially_copyable_v<DecodeRequest> && std::is_trivially_copyable_v<DecodeReply>);

/// Cut to what fits.
template <std::size_t kSize>
void put_text(std::array<char, kSize>& field, std::string_view text) {
  field.fill('\0');
  text.substr(0, kSize - 1).copy(field.data(), kSize - 1);
}

/// Up to the NUL, which may be missing.
template <std::size_t kSize>
std::string get_text(const std::array<char, kSize>& field) {
  const std::string_view all(field.data(), kSize);
  return std::string(all.substr(0, all.find('\0')));
}

/// Everything but the pixels.
DecodeReply describe(const DecodedSlice& decoded);

/// The slice that a reply of kind kDecoded speaks of, its pixels copied from `pixels` (float32, row-major), which has
/// room for `room` bytes. A process that parsed a hostile file is not believed: throws InvalidInput("decoder_failed")
/// when the reply says what cannot be.
DecodedSlice restore(const DecodeReply& reply, const std::byte* pixels, std::uint64_t room, const DecodeLimits& limits);

}  // namespace pulmo::serving
