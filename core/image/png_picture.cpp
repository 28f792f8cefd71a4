#include "core/image/png_picture.h"

#include <png.h>

#include <bit>
#include <csetjmp>
#include <cstring>
#include <opencv2/core.hpp>
#include <stdexcept>
#include <vector>

namespace pulmo {
namespace {

void give_up(png_structp png, png_const_charp) {
  png_longjmp(png, 1);
}

void say_nothing(png_structp, png_const_charp) {}

void read_next(png_structp png, png_bytep target, std::size_t count) {
  auto& rest = *static_cast<ByteView*>(png_get_io_ptr(png));
  if (count > rest.size()) png_error(png, "the data end");
  std::memcpy(target, rest.data(), count);
  rest = rest.subspan(count);
}

void append(png_structp png, png_bytep bytes, std::size_t count) {
  auto& file = *static_cast<Bytes*>(png_get_io_ptr(png));
  const ByteView added = std::as_bytes(std::span(bytes, count));
  file.insert(file.end(), added.begin(), added.end());
}

void flush_nothing(png_structp) {}

std::vector<png_bytep> rows_of(const cv::Mat& picture) {
  std::vector<png_bytep> rows;
  for (int y = 0; y < picture.rows; ++y) rows.push_back(const_cast<png_bytep>(picture.ptr(y)));
  return rows;
}

// libpng comes back by longjmp: these functions hold nothing that would have to be destroyed.
bool read_layout(png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_read_info(png, info);
  png_set_palette_to_rgb(png);
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_alpha(png);
  png_set_bgr(png);
  if constexpr (std::endian::native == std::endian::little) png_set_swap(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return true;
}

bool read_rows(png_structp png, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

bool write_rows(png_structp png, png_infop info, const cv::Mat& picture, int level, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  const int kind = picture.channels() == 1   ? PNG_COLOR_TYPE_GRAY
                   : picture.channels() == 3 ? PNG_COLOR_TYPE_RGB
                                             : PNG_COLOR_TYPE_RGB_ALPHA;
  png_set_compression_level(png, level);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);  // trying all five takes longer than it saves
  png_set_IHDR(png, info, static_cast<png_uint_32>(picture.cols), static_cast<png_uint_32>(picture.rows), 8, kind,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_set_bgr(png);
  png_write_image(png, rows);
  png_write_end(png, nullptr);
  return true;
}

struct Reading {
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, give_up, say_nothing);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  Reading() = default;
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { png_destroy_read_struct(&png, &info, nullptr); }
};

struct Writing {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, give_up, say_nothing);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  Writing() = default;
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing() { png_destroy_write_struct(&png, &info); }
};

}  // namespace

cv::Mat decode_png_picture(ByteView bytes) {
  Reading reading;
  if (reading.info == nullptr) return {};
  png_set_read_fn(reading.png, &bytes, read_next);
  if (!read_layout(reading.png, reading.info)) return {};
  const int depth = png_get_bit_depth(reading.png, reading.info) == 16 ? CV_16U : CV_8U;
  cv::Mat picture(static_cast<int>(png_get_image_height(reading.png, reading.info)),
                  static_cast<int>(png_get_image_width(reading.png, reading.info)),
                  CV_MAKETYPE(depth, png_get_channels(reading.png, reading.info)));
  std::vector<png_bytep> rows = rows_of(picture);
  return read_rows(reading.png, rows.data()) ? picture : cv::Mat();
}

Bytes encode_png_picture(const cv::Mat& picture, int level) {
  Writing writing;
  Bytes file;
  if (writing.info != nullptr) {
    png_set_write_fn(writing.png, &file, append, flush_nothing);
    std::vector<png_bytep> rows = rows_of(picture);
    if (write_rows(writing.png, writing.info, picture, level, rows.data())) return file;
  }
  throw std::runtime_error("libpng refuses to encode a picture of " + std::to_string(picture.cols) + " x " +
                           std::to_string(picture.rows) + " pixels");
}

}  // namespace pulmo
