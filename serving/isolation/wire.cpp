#include "serving/isolation/wire.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/support/error.h"

namespace pulmo::serving {
namespace {

bool is_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

template <std::size_t kSize>
bool all_finite(const std::array<double, kSize>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

bool possible_size(const DecodeReply& reply, std::uint64_t room, const DecodeLimits& limits) {
  if (reply.rows < 1 || reply.columns < 1) return false;
  if (reply.rows > limits.max_side_px || reply.columns > limits.max_side_px) return false;
  const std::int64_t pixels = std::int64_t{reply.rows} * reply.columns;
  return pixels <= limits.max_pixels && static_cast<std::uint64_t>(pixels) * sizeof(float) <= room;
}

bool possible(const DecodeReply& reply, const std::string& series) {
  const std::array spacings{reply.row_spacing_mm, reply.column_spacing_mm, reply.slice_thickness_mm};
  return all_finite(spacings) && all_finite(reply.position_mm) && all_finite(reply.orientation) &&
         (series.empty() || is_digest(series));
}

}  // namespace

DecodeReply describe(const DecodedSlice& decoded) {
  DecodeReply reply;
  reply.kind = ReplyKind::kDecoded;
  reply.rows = decoded.slice.pixels.rows;
  reply.columns = decoded.slice.pixels.cols;
  reply.hounsfield = decoded.slice.kind == PixelKind::kHounsfield ? 1 : 0;
  reply.row_spacing_mm = decoded.slice.row_spacing_mm;
  reply.column_spacing_mm = decoded.slice.column_spacing_mm;
  reply.dicom = decoded.dicom ? 1 : 0;
  reply.lossy = decoded.lossy ? 1 : 0;
  const SlicePlace& place = decoded.place;
  put_text(reply.series, place.series);
  reply.instance_number = place.instance_number;
  reply.frames = place.frames;
  reply.has_position = place.has_position ? 1 : 0;
  reply.position_mm = place.position_mm;
  reply.orientation = place.orientation;
  reply.slice_thickness_mm = place.slice_thickness_mm;
  return reply;
}

DecodedSlice restore(const DecodeReply& reply, const std::byte* pixels, std::uint64_t room,
                     const DecodeLimits& limits) {
  const std::string series = get_text(reply.series);
  if (!possible_size(reply, room, limits) || !possible(reply, series)) {
    throw InvalidInput("decoder_failed", "the decoder gave an impossible answer for this file");
  }
  DecodedSlice decoded;
  decoded.dicom = reply.dicom != 0;
  decoded.lossy = reply.lossy != 0;
  decoded.slice.kind = reply.hounsfield != 0 ? PixelKind::kHounsfield : PixelKind::kGrey;
  decoded.slice.row_spacing_mm = reply.row_spacing_mm;
  decoded.slice.column_spacing_mm = reply.column_spacing_mm;
  // A copy: the process could change what is shared after it was looked at.
  decoded.slice.pixels.create(reply.rows, reply.columns, CV_32FC1);
  std::memcpy(decoded.slice.pixels.ptr(), pixels, decoded.slice.pixels.total() * sizeof(float));
  SlicePlace& place = decoded.place;
  place.series = series;
  place.instance_number = reply.instance_number;
  place.frames = reply.frames;
  place.has_position = reply.has_position != 0;
  place.position_mm = reply.position_mm;
  place.orientation = reply.orientation;
  place.slice_thickness_mm = reply.slice_thickness_mm;
  return decoded;
}

}  // namespace pulmo::serving
