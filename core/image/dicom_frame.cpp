#include "core/image/dicom_frame.h"

#include <cstring>
#include <string>
#include <vector>

#include "core/support/error.h"

namespace pulmo {
namespace {

[[noreturn]] void refuse(std::string reason, std::string_view name, const std::string& problem) {
  throw InvalidInput(std::move(reason), std::string(name) + ": " + problem);
}

int small_number(DcmItem& item, const DcmTagKey& tag, int fallback) {
  Uint16 value = 0;
  return item.findAndGetUint16(tag, value).good() ? value : fallback;
}

std::int64_t sign_extended(std::uint32_t raw, const StoredPixels& pixels) {
  const auto bits = static_cast<unsigned>(pixels.bits_stored);
  const std::uint32_t mask = bits == 32 ? ~0U : (1U << bits) - 1U;
  const std::uint32_t value = (raw >> static_cast<unsigned>(pixels.high_bit + 1 - pixels.bits_stored)) & mask;
  const bool negative = pixels.is_signed && ((value >> (bits - 1U)) & 1U) != 0;
  return negative ? static_cast<std::int64_t>(value) - (std::int64_t{1} << bits) : static_cast<std::int64_t>(value);
}

void read_padding(DcmItem& item, StoredPixels& pixels) {
  DcmElement* element = nullptr;
  Uint16 first = 0;
  if (item.findAndGetElement(DCM_PixelPaddingValue, element).bad() || element == nullptr) {
    return;
  }
  Sint16 signed_first = 0;
  if (element->getUint16(first).bad()) {
    if (element->getSint16(signed_first).bad()) {
      return;
    }
    first = static_cast<Uint16>(signed_first);
  }
  pixels.has_padding = true;
  const auto value =
      pixels.is_signed ? static_cast<std::int64_t>(static_cast<std::int16_t>(first)) : static_cast<std::int64_t>(first);
  pixels.padding_low = pixels.padding_high = value;
}

template <typename Stored>
cv::Mat widen(const std::vector<std::uint8_t>& bytes, const StoredPixels& pixels) {
  cv::Mat values(static_cast<int>(pixels.rows), static_cast<int>(pixels.columns), CV_32SC1);
  auto* out = values.ptr<std::int32_t>();
  const std::size_t count = values.total();
  for (std::size_t i = 0; i < count; ++i) {
    Stored raw = 0;
    std::memcpy(&raw, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = static_cast<std::int32_t>(sign_extended(raw, pixels));
  }
  return values;
}

}  // namespace

StoredPixels read_pixel_description(DcmDataset& dataset, std::string_view name, const DecodeLimits& limits) {
  StoredPixels pixels;
  pixels.rows = small_number(dataset, DCM_Rows, 0);
  pixels.columns = small_number(dataset, DCM_Columns, 0);
  Sint32 frames = 1;
  pixels.frames = dataset.findAndGetSint32(DCM_NumberOfFrames, frames).good() ? frames : 1;
  if (pixels.rows > limits.max_side_px || pixels.columns > limits.max_side_px ||
      pixels.rows * pixels.columns > limits.max_pixels || pixels.frames > limits.max_frames) {
    refuse("too_large", name,
           std::to_string(pixels.rows) + " x " + std::to_string(pixels.columns) + " x " +
               std::to_string(pixels.frames) + " pixels are over the limit");
  }
  pixels.bits_allocated = small_number(dataset, DCM_BitsAllocated, 16);
  pixels.bits_stored = small_number(dataset, DCM_BitsStored, pixels.bits_allocated);
  pixels.high_bit = small_number(dataset, DCM_HighBit, pixels.bits_stored - 1);
  pixels.is_signed = small_number(dataset, DCM_PixelRepresentation, 0) == 1;
  const bool bits_fit = (pixels.bits_allocated == 8 || pixels.bits_allocated == 16 || pixels.bits_allocated == 32) &&
                        pixels.bits_stored >= 1 && pixels.bits_stored <= pixels.high_bit + 1 &&
                        pixels.high_bit < pixels.bits_allocated;
  OFString photometric;
  dataset.findAndGetOFString(DCM_PhotometricInterpretation, photometric);
  pixels.inverted = photometric == "MONOCHROME1";
  if (!bits_fit || pixels.rows < 1 || pixels.columns < 1 || pixels.frames < 1 ||
      small_number(dataset, DCM_SamplesPerPixel, 1) != 1 || (photometric != "MONOCHROME2" && !pixels.inverted)) {
    refuse("bad_pixel_format", name, "not a single-channel picture of 8, 16 or 32 bits");
  }
  read_padding(dataset, pixels);
  return pixels;
}

cv::Mat read_stored_values(DcmDataset& dataset, std::string_view name, const StoredPixels& pixels, std::int64_t frame) {
  DcmElement* element = nullptr;
  if (dataset.findAndGetElement(DCM_PixelData, element).bad() || element == nullptr) {
    refuse("no_pixel_data", name, "the DICOM object holds no pixel data");
  }
  auto* data = dynamic_cast<DcmPixelData*>(element);
  if (data == nullptr) {
    refuse("no_pixel_data", name, "the DICOM object's pixel data cannot be read");
  }
  const std::size_t needed = pixels.frame_bytes();
  if (!DcmXfer(dataset.getOriginalXfer()).isEncapsulated() &&
      data->getLength() < needed * static_cast<std::size_t>(pixels.frames)) {
    refuse("truncated_dicom", name, "the pixel data end early");
  }
  std::vector<std::uint8_t> bytes(needed + needed % 2);
  Uint32 fragment = 0;
  OFString colour_model;
  const OFCondition read = data->getUncompressedFrame(&dataset, static_cast<Uint32>(frame), fragment, bytes.data(),
                                                      static_cast<Uint32>(bytes.size()), colour_model);
  if (read.bad()) {
    refuse("truncated_dicom", name, std::string("the pixel data cannot be decoded (") + read.text() + ")");
  }
  switch (pixels.bits_allocated) {
    case 8: return widen<std::uint8_t>(bytes, pixels);
    case 16: return widen<std::uint16_t>(bytes, pixels);
    default: return widen<std::uint32_t>(bytes, pixels);
  }
}

}  // namespace pulmo
