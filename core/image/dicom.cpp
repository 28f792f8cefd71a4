#include "core/image/dicom.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/image/dicom_object.h"
#include "core/image/dicom_pixels.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr std::size_t kPreambleBytes = 128;  // PS3.10 section 7.1
constexpr float kAirHu = -1000.0F;
constexpr double kLargestRescale = 1e6;

bool is_letter(std::byte byte) {
  return byte >= std::byte{'A'} && byte <= std::byte{'Z'};
}

void require_ct(const DicomHeader& header, std::string_view name) {
  const bool ct_class = header.sop_class_uid.empty() || header.sop_class_uid == UID_CTImageStorage ||
                        header.sop_class_uid == UID_EnhancedCTImageStorage ||
                        header.sop_class_uid == UID_LegacyConvertedEnhancedCTImageStorage;
  if (header.modality != "CT" || !ct_class) {
    throw InvalidInput("wrong_modality", std::string(name) + ": modality '" + header.modality + "', SOP class " +
                                             header.sop_class_uid + ": not a CT image, choose an axial CT slice");
  }
  for (const char* word : {"LOCALIZER", "SCOUT"}) {
    if (header.image_type.find(word) == std::string::npos) continue;
    throw InvalidInput("localizer",
                       std::string(name) + ": a scout view for planning the scan, choose an axial CT slice");
  }
}

void require_rescale(const DicomHeader& header, std::string_view name) {
  const bool usable = std::abs(header.rescale_slope) <= kLargestRescale && header.rescale_slope != 0.0 &&
                      std::abs(header.rescale_intercept) <= kLargestRescale;  // false for NaN
  if (!usable) {
    throw InvalidInput("bad_pixel_format", std::string(name) + ": rescale slope " +
                                               std::to_string(header.rescale_slope) + " and intercept " +
                                               std::to_string(header.rescale_intercept) + " give no Hounsfield units");
  }
}

// How stored values become HU: hu = slope * value + intercept.
struct Rescale {
  double slope = 1.0;
  double intercept = 0.0;
};

Rescale rescale_of(const DicomHeader& header, const PixelLayout& layout) {
  if (!layout.inverted) {
    return {header.rescale_slope, header.rescale_intercept};
  }
  const double mirror = layout.is_signed ? -1.0 : std::exp2(layout.bits_stored) - 1.0;
  return {-header.rescale_slope, header.rescale_slope * mirror + header.rescale_intercept};
}

// Shifts the stored bits to the top and back down, which extends the sign and drops what lies above the high bit.
template <bool kSigned>
std::int32_t stored_value(std::uint32_t raw, unsigned up, unsigned down) {
  const std::uint32_t top = raw << up;
  return kSigned ? static_cast<std::int32_t>(top) >> down : static_cast<std::int32_t>(top >> down);
}

// Whether all of slope * value + intercept are whole numbers that a float holds: then floats give what doubles give.
bool exact_in_float(const PixelLayout& layout, const Rescale& rescale) {
  constexpr double kLargestWhole = 16777216.0;  // 2^24
  const bool whole = rescale.slope == std::floor(rescale.slope) && rescale.intercept == std::floor(rescale.intercept);
  const double largest = std::exp2(layout.bits_stored) * std::abs(rescale.slope);
  return whole && largest + std::abs(rescale.intercept) <= kLargestWhole;
}

template <typename Raw, bool kSigned, typename Real>
void to_hounsfield(const std::vector<std::uint8_t>& bytes, const PixelLayout& layout, const Rescale& rescale,
                   float* out) {
  const auto up = static_cast<unsigned>(31 - layout.high_bit);
  const auto down = static_cast<unsigned>(32 - layout.bits_stored);
  const auto padding_low = static_cast<std::int32_t>(layout.padding_low);
  const auto padding_high = static_cast<std::int32_t>(layout.padding_high);
  const auto slope = static_cast<Real>(rescale.slope);
  const auto intercept = static_cast<Real>(rescale.intercept);
  const std::size_t count = layout.pixels();
  for (std::size_t i = 0; i < count; ++i) {
    Raw raw = 0;
    std::memcpy(&raw, bytes.data() + i * sizeof(Raw), sizeof(Raw));
    const std::int32_t value = stored_value<kSigned>(raw, up, down);
    const auto hu = static_cast<float>(static_cast<Real>(value) * slope + intercept);
    const bool padding = value >= padding_low && value <= padding_high;
    out[i] = padding ? std::min(hu, kAirHu) : hu;
  }
}

template <typename Raw, bool kSigned>
void to_hounsfield(const std::vector<std::uint8_t>& bytes, const PixelLayout& layout, const Rescale& rescale,
                   float* out) {
  if (exact_in_float(layout, rescale)) {
    to_hounsfield<Raw, kSigned, float>(bytes, layout, rescale, out);
  } else {
    to_hounsfield<Raw, kSigned, double>(bytes, layout, rescale, out);
  }
}

template <typename Raw>
void to_hounsfield(const std::vector<std::uint8_t>& bytes, const PixelLayout& layout, const Rescale& rescale,
                   float* out) {
  if (layout.is_signed) {
    to_hounsfield<Raw, true>(bytes, layout, rescale, out);
  } else {
    to_hounsfield<Raw, false>(bytes, layout, rescale, out);
  }
}

cv::Mat hounsfield_frame(DicomObject& object, std::string_view name, const DecodeLimits& limits,
                         const DicomHeader& header, std::int64_t frame) {
  PixelLayout layout = read_pixel_layout(object.dataset, name, limits);
  const std::vector<std::uint8_t> bytes = read_frame(object, name, layout, frame);
  const Rescale rescale = rescale_of(header, layout);
  cv::Mat hu(static_cast<int>(layout.rows), static_cast<int>(layout.columns), CV_32FC1);
  switch (layout.bits_allocated) {
    case 8: to_hounsfield<std::uint8_t>(bytes, layout, rescale, hu.ptr<float>()); break;
    case 16: to_hounsfield<std::uint16_t>(bytes, layout, rescale, hu.ptr<float>()); break;
    default: to_hounsfield<std::uint32_t>(bytes, layout, rescale, hu.ptr<float>()); break;
  }
  return hu;
}

}  // namespace

bool looks_like_dicom(ByteView bytes) {
  if (bytes.size() >= kPreambleBytes + 4 && as_text(bytes.subspan(kPreambleBytes, 4)) == "DICM") {
    return true;
  }
  // A bare data set begins with group 0002 or 0008, little endian; explicit ones with two letters after the tag, others
  // with a length of less than 64 kB.
  if (bytes.size() < 8 || (bytes[0] != std::byte{2} && bytes[0] != std::byte{8}) || bytes[1] != std::byte{0}) {
    return false;
  }
  return (is_letter(bytes[4]) && is_letter(bytes[5])) || (bytes[6] == std::byte{0} && bytes[7] == std::byte{0});
}

Slice decode_dicom(ByteView bytes, std::string_view name, const DecodeLimits& limits, std::int64_t frame,
                   DicomHeader* header) {
  Slice slice;
  with_dicom_object(bytes, name, DicomPart::kWhole, limits, [&](DicomObject& object) {
    DicomHeader found = header_of(object, frame);
    require_ct(found, name);
    require_rescale(found, name);
    slice.pixels = hounsfield_frame(object, name, limits, found, frame);
    slice.row_spacing_mm = found.row_spacing_mm;
    slice.column_spacing_mm = found.column_spacing_mm;
    if (header != nullptr) *header = std::move(found);
  });
  return slice;
}

}  // namespace pulmo
