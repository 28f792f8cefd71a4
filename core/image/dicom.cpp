#include "core/image/dicom.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/image/dicom_object.h"
#include "core/image/dicom_pixels.h"
#include "core/image/row_kernels.h"
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
  // PS3.3 C.11.1.1.2: optical density, iodine and such, effective atomic number, electron density, percent. Maps of
  // spectral CT are CT images too.
  for (const char* type : {"OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"}) {
    if (header.rescale_type != type) continue;
    throw InvalidInput("bad_pixel_format", std::string(name) + ": rescale type " + type +
                                               ": a map of another quantity than Hounsfield units, choose a CT slice");
  }
}

// Whether all of slope * value + intercept are whole numbers that a float holds: then floats give what doubles give.
bool exact_in_float(const PixelLayout& layout, double slope, double intercept) {
  constexpr double kLargestWhole = 16777216.0;  // 2^24
  const bool whole = slope == std::floor(slope) && intercept == std::floor(intercept);
  return whole && std::exp2(layout.bits_stored) * std::abs(slope) + std::abs(intercept) <= kLargestWhole;
}

cv::Mat hounsfield_frame(DicomObject& object, std::string_view name, const DecodeLimits& limits,
                         const DicomHeader& header, std::int64_t frame) {
  PixelLayout layout = read_pixel_layout(object.dataset, name, limits);
  const FrameBytes stored = read_frame(object, name, layout, frame);
  StoredValues format;
  format.bytes = layout.bits_allocated / 8;
  format.is_signed = layout.is_signed;
  format.up = static_cast<unsigned>(31 - layout.high_bit);
  format.down = static_cast<unsigned>(32 - layout.bits_stored);
  format.padding_low = static_cast<std::int32_t>(layout.padding_low);
  format.padding_high = static_cast<std::int32_t>(layout.padding_high);
  format.slope = header.rescale_slope;
  format.intercept = header.rescale_intercept;
  format.exact_in_float = exact_in_float(layout, format.slope, format.intercept);
  format.padding_hu = kAirHu;
  cv::Mat hu(static_cast<int>(layout.rows), static_cast<int>(layout.columns), CV_32FC1);
  row_kernels().to_hounsfield(stored.values.data(), format, layout.pixels(), hu.ptr<float>());
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
