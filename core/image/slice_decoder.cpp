#include "core/image/slice_decoder.h"

#include <opencv2/imgproc.hpp>
#include <string>

#include "core/image/jpeg_picture.h"
#include "core/image/picture_header.h"
#include "core/image/png_picture.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr std::string_view kPngMark("\x89PNG\r\n\x1A\n", 8);
constexpr std::string_view kJpegMark("\xFF\xD8\xFF", 3);

[[noreturn]] void refuse(std::string reason, std::string_view name, const std::string& problem) {
  throw InvalidInput(std::move(reason), std::string(name) + ": " + problem);
}

void check_header(const std::optional<PictureHeader>& header, std::string_view name, const DecodeLimits& limits) {
  if (!header) {
    refuse("truncated_image", name, "the picture ends within its header: send the whole file");
  }
  if (header->width > limits.max_side_px || header->height > limits.max_side_px ||
      header->width * header->height > limits.max_pixels) {
    refuse("too_large", name,
           std::to_string(header->width) + " x " + std::to_string(header->height) + " pixels are over the limit of " +
               std::to_string(limits.max_side_px) + " a side and " + std::to_string(limits.max_pixels) + " in all");
  }
  if (header->scans > kMaxJpegScans) {
    refuse("too_large", name,
           "a JPEG of " + std::to_string(header->scans) + " scans, at most " + std::to_string(kMaxJpegScans) +
               " are read: save it as a baseline JPEG");
  }
  if (!header->complete) {
    refuse("truncated_image", name, "the picture's end mark is missing: send the whole file");
  }
}

cv::Mat unpack(ByteView bytes, std::string_view name, bool png) {
  cv::Mat picture = png ? decode_png_picture(essential_png(bytes)) : decode_jpeg_picture(bytes);
  if (picture.empty()) {
    refuse("truncated_image", name, "the picture cannot be decoded: its data are damaged or of an unusual kind");
  }
  return picture;
}

cv::Mat to_grey(const cv::Mat& picture) {
  cv::Mat real;
  picture.convertTo(real, CV_32F);
  if (real.channels() == 1) {
    return real;
  }
  cv::Mat grey;
  cv::cvtColor(real, grey, cv::COLOR_BGR2GRAY);
  return grey;
}

Slice decode_picture(ByteView bytes, std::string_view name, const DecodeLimits& limits,
                     std::optional<double> intercept_hu, bool png) {
  check_header(png ? read_png_header(bytes) : read_jpeg_header(bytes), name, limits);
  const cv::Mat picture = unpack(bytes, name, png);
  Slice slice;
  slice.pixels = to_grey(picture);
  if (intercept_hu) {
    slice.pixels += *intercept_hu;
    slice.kind = PixelKind::kHounsfield;
  } else {
    slice.pixels *= 1.0 / (picture.depth() == CV_16U ? 65535.0 : 255.0);
    slice.kind = PixelKind::kGrey;
  }
  return slice;
}

}  // namespace

ImageFormat sniff_format(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  if (text.starts_with(kPngMark)) {
    return ImageFormat::kPng;
  }
  if (text.starts_with(kJpegMark)) {
    return ImageFormat::kJpeg;
  }
  return looks_like_dicom(bytes) ? ImageFormat::kDicom : ImageFormat::kUnknown;
}

Slice decode_slice(ByteView bytes, std::string_view name, const DecodeLimits& limits,
                   std::optional<double> intercept_hu) {
  switch (sniff_format(bytes)) {
    case ImageFormat::kDicom: return decode_dicom(bytes, name, limits);
    case ImageFormat::kPng: return decode_picture(bytes, name, limits, intercept_hu, true);
    case ImageFormat::kJpeg: return decode_picture(bytes, name, limits, intercept_hu, false);
    case ImageFormat::kUnknown: break;
  }
  refuse("unknown_format", name, "neither DICOM nor PNG nor JPEG: export the slice in one of these");
}

}  // namespace pulmo
