#include <algorithm>
#include <string>

#include "core/image/dicom_pixels.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

[[noreturn]] void refuse(std::string_view name, const std::string& problem) {
  throw InvalidInput("bad_pixel_format", std::string(name) + ": " + problem + ": export the slice as a CT image");
}

int small_number(DcmItem& item, const DcmTagKey& tag, int fallback) {
  Uint16 value = 0;
  return item.findAndGetUint16(tag, value).good() ? value : fallback;
}

// Padding values are written as US or SS, whatever the pixels are (PS3.3 C.7.5.1.1.2).
bool padding_of(DcmItem& item, const DcmTagKey& tag, bool is_signed, std::int64_t& value) {
  Uint16 raw = 0;
  Sint16 signed_raw = 0;
  if (item.findAndGetUint16(tag, raw).bad()) {
    if (item.findAndGetSint16(tag, signed_raw).bad()) {
      return false;
    }
    raw = static_cast<Uint16>(signed_raw);
  }
  value = is_signed ? static_cast<std::int64_t>(static_cast<std::int16_t>(raw)) : static_cast<std::int64_t>(raw);
  return true;
}

void read_padding(DcmItem& item, PixelLayout& layout) {
  std::int64_t value = 0;
  if (!padding_of(item, DCM_PixelPaddingValue, layout.is_signed, value)) {
    return;
  }
  std::int64_t limit = value;
  padding_of(item, DCM_PixelPaddingRangeLimit, layout.is_signed, limit);
  layout.padding_low = std::min(value, limit);
  layout.padding_high = std::max(value, limit);
}

void read_size(DcmItem& item, std::string_view name, const DecodeLimits& limits, PixelLayout& layout) {
  layout.rows = small_number(item, DCM_Rows, 0);
  layout.columns = small_number(item, DCM_Columns, 0);
  Sint32 frames = 1;
  if (item.tagExistsWithValue(DCM_NumberOfFrames) && item.findAndGetSint32(DCM_NumberOfFrames, frames).bad()) {
    refuse(name, "the number of frames cannot be read");
  }
  layout.frames = frames;
  if (layout.rows < 1 || layout.columns < 1 || layout.frames < 1) {
    refuse(name, "the picture has " + std::to_string(layout.columns) + " x " + std::to_string(layout.rows) +
                     " pixels in " + std::to_string(layout.frames) + " frames");
  }
  if (layout.rows > limits.max_side_px || layout.columns > limits.max_side_px ||
      layout.rows * layout.columns > limits.max_pixels || layout.frames > limits.max_frames) {
    throw InvalidInput("too_large", std::string(name) + ": " + std::to_string(layout.columns) + " x " +
                                        std::to_string(layout.rows) + " pixels in " + std::to_string(layout.frames) +
                                        " frames; at most " + std::to_string(limits.max_side_px) + " a side, " +
                                        std::to_string(limits.max_pixels) + " in a frame and " +
                                        std::to_string(limits.max_frames) + " frames are read");
  }
}

void read_bits(DcmItem& item, std::string_view name, PixelLayout& layout) {
  layout.bits_allocated = small_number(item, DCM_BitsAllocated, 16);
  layout.bits_stored = small_number(item, DCM_BitsStored, layout.bits_allocated);
  layout.high_bit = small_number(item, DCM_HighBit, layout.bits_stored - 1);
  layout.is_signed = small_number(item, DCM_PixelRepresentation, 0) == 1;
  const bool whole_bytes = layout.bits_allocated == 8 || layout.bits_allocated == 16 || layout.bits_allocated == 32;
  const int most_stored = layout.is_signed ? 32 : 31;
  if (!whole_bytes || layout.bits_stored < 1 || layout.bits_stored > most_stored ||
      layout.bits_stored > layout.high_bit + 1 || layout.high_bit >= layout.bits_allocated) {
    refuse(name, "pixels of " + std::to_string(layout.bits_allocated) + " bits, " + std::to_string(layout.bits_stored) +
                     " stored up to bit " + std::to_string(layout.high_bit) + ", are not supported");
  }
}

}  // namespace

PixelLayout read_pixel_layout(DcmDataset& dataset, std::string_view name, const DecodeLimits& limits) {
  PixelLayout layout;
  read_size(dataset, name, limits, layout);
  read_bits(dataset, name, layout);
  const int samples = small_number(dataset, DCM_SamplesPerPixel, 1);
  OFString photometric = "MONOCHROME2";
  dataset.findAndGetOFString(DCM_PhotometricInterpretation, photometric);
  // MONOCHROME1 says how a picture is to be shown, not what its values stand for: HU are those of the stored values.
  if (samples != 1 || (photometric != "MONOCHROME2" && photometric != "MONOCHROME1")) {
    refuse(name, "a picture of " + std::to_string(samples) + " samples a pixel, '" + photometric.c_str() +
                     "', is no CT slice");
  }
  read_padding(dataset, layout);
  return layout;
}

}  // namespace pulmo
