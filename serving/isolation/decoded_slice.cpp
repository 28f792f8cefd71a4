#include "serving/isolation/decoded_slice.h"

#include "core/image/slice_decoder.h"
#include "core/support/digest.h"

namespace pulmo::serving {

DecodedSlice decode_here(ByteView bytes, std::string_view name, const DecodeLimits& limits) {
  DecodedSlice decoded;
  const ImageFormat format = sniff_format(bytes);
  decoded.dicom = format == ImageFormat::kDicom;
  decoded.lossy = format == ImageFormat::kJpeg;
  if (!decoded.dicom) {
    decoded.slice = decode_slice(bytes, name, limits);
    return decoded;
  }
  DicomHeader header;
  decoded.slice = decode_dicom(bytes, name, limits, 0, &header);
  SlicePlace& place = decoded.place;
  if (!header.series_uid.empty()) place.series = sha256_hex(header.series_uid);
  place.instance_number = header.instance_number;
  place.frames = header.frames;
  place.has_position = header.has_position;
  place.position_mm = header.position_mm;
  place.orientation = header.orientation;
  place.slice_thickness_mm = header.slice_thickness_mm;
  return decoded;
}

}  // namespace pulmo::serving
