#include "core/image/dicom.h"

#include <algorithm>
#include <string>

#include "core/image/dicom_frame.h"
#include "core/image/dicom_object.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr std::size_t kPreambleBytes = 128;  // PS3.10 section 7.1
constexpr float kAirHu = -1000.0F;

bool is_letter(std::byte byte) {
  return byte >= std::byte{'A'} && byte <= std::byte{'Z'};
}

void require_ct(const DicomHeader& header, std::string_view name) {
  const bool ct_class = header.sop_class_uid.empty() || header.sop_class_uid == UID_CTImageStorage ||
                        header.sop_class_uid == UID_EnhancedCTImageStorage ||
                        header.sop_class_uid == UID_LegacyConvertedEnhancedCTImageStorage;
  if (header.modality != "CT" || !ct_class) {
    throw InvalidInput("wrong_modality",
                       std::string(name) + ": modality '" + header.modality + "' is not CT: post an axial CT slice");
  }
}

cv::Mat to_hounsfield(const cv::Mat& values, const StoredPixels& pixels, const DicomHeader& header) {
  cv::Mat hu(values.size(), CV_32FC1);
  const std::int64_t mirror = pixels.is_signed ? -1 : (std::int64_t{1} << pixels.bits_stored) - 1;
  const auto* in = values.ptr<std::int32_t>();
  auto* out = hu.ptr<float>();
  for (std::size_t i = 0; i < values.total(); ++i) {
    const std::int64_t stored = pixels.is_signed ? in[i] : static_cast<std::int64_t>(static_cast<std::uint32_t>(in[i]));
    const auto shown = static_cast<double>(pixels.inverted ? mirror - stored : stored);
    out[i] = static_cast<float>(shown * header.rescale_slope + header.rescale_intercept);
    if (pixels.has_padding && stored >= pixels.padding_low && stored <= pixels.padding_high) {
      out[i] = std::min(out[i], kAirHu);
    }
  }
  return hu;
}

}  // namespace

bool looks_like_dicom(ByteView bytes) {
  if (bytes.size() >= kPreambleBytes + 4 && as_text(bytes.subspan(kPreambleBytes, 4)) == "DICM") {
    return true;
  }
  // A bare data set begins with group 0002 or 0008, little endian; explicit ones with two letters after the tag.
  if (bytes.size() < 8 || (bytes[0] != std::byte{2} && bytes[0] != std::byte{8}) || bytes[1] != std::byte{0}) {
    return false;
  }
  return (is_letter(bytes[4]) && is_letter(bytes[5])) || (bytes[6] == std::byte{0} && bytes[7] == std::byte{0});
}

Slice decode_dicom(ByteView bytes, std::string_view name, const DecodeLimits& limits, std::int64_t frame) {
  DcmFileFormat file;
  parse_dicom(bytes, name, DicomPart::kWhole, file);
  const DicomHeader header = header_of(file);
  require_ct(header, name);
  const StoredPixels pixels = read_pixel_description(*file.getDataset(), name, limits);
  Slice slice;
  slice.pixels = to_hounsfield(read_stored_values(*file.getDataset(), name, pixels, frame), pixels, header);
  slice.row_spacing_mm = header.row_spacing_mm;
  slice.column_spacing_mm = header.column_spacing_mm;
  return slice;
}

}  // namespace pulmo
