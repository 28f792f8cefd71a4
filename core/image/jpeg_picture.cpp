#include "core/image/jpeg_picture.h"

// jpeglib.h needs size_t and FILE, and brings none of them.
#include <cstddef>
#include <cstdio>
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <opencv2/core.hpp>

namespace pulmo {
namespace {

// libjpeg comes back by longjmp: everything between here and there is plain data.
struct Session {
  jpeg_decompress_struct codec;
  jpeg_error_mgr errors;
  std::jmp_buf back;
  bool damaged;
};

[[noreturn]] void give_up(j_common_ptr codec) {
  std::longjmp(static_cast<Session*>(codec->client_data)->back, 1);
}

// Level -1 is a warning: the data do not fit together, and libjpeg goes on with a guess.
void note_damage(j_common_ptr codec, int level) {
  const int code = codec->err->msg_code;
  const bool harmless = code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM || code == JWRN_EXTRANEOUS_DATA;
  if (level < 0 && !harmless) {
    static_cast<Session*>(codec->client_data)->damaged = true;
  }
}

void say_nothing(j_common_ptr) {}

// Runs libjpeg over the whole picture. False when it gave up.
bool unpack(Session& session, ByteView bytes, cv::Mat& samples) {
  if (setjmp(session.back) != 0) {
    return false;
  }
  jpeg_create_decompress(&session.codec);
  jpeg_mem_src(&session.codec, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&session.codec, TRUE);
  const bool inks = session.codec.jpeg_color_space == JCS_CMYK || session.codec.jpeg_color_space == JCS_YCCK;
  session.codec.out_color_space = inks ? JCS_CMYK : JCS_GRAYSCALE;
  jpeg_start_decompress(&session.codec);
  samples.create(static_cast<int>(session.codec.output_height), static_cast<int>(session.codec.output_width),
                 inks ? CV_8UC4 : CV_8UC1);
  while (session.codec.output_scanline < session.codec.output_height) {
    JSAMPROW row = samples.ptr<JSAMPLE>(static_cast<int>(session.codec.output_scanline));
    jpeg_read_scanlines(&session.codec, &row, 1);
  }
  jpeg_finish_decompress(&session.codec);
  return true;
}

// Adobe's programs store how much ink is missing, others how much there is.
cv::Mat luma_of_inks(const cv::Mat& inks, bool inverted) {
  cv::Mat luma(inks.size(), CV_8UC1);
  for (int y = 0; y < inks.rows; ++y) {
    for (int x = 0; x < inks.cols; ++x) {
      const cv::Vec4b ink = inverted ? inks.at<cv::Vec4b>(y, x) : cv::Vec4b::all(255) - inks.at<cv::Vec4b>(y, x);
      const double light = (0.299 * ink[0] + 0.587 * ink[1] + 0.114 * ink[2]) * ink[3] / 255.0;
      luma.at<std::uint8_t>(y, x) = cv::saturate_cast<std::uint8_t>(light);
    }
  }
  return luma;
}

}  // namespace

cv::Mat decode_jpeg_picture(ByteView bytes) {
  Session session{};
  session.codec.err = jpeg_std_error(&session.errors);
  session.codec.client_data = &session;
  session.errors.error_exit = give_up;
  session.errors.emit_message = note_damage;
  session.errors.output_message = say_nothing;
  cv::Mat samples;
  const bool whole = unpack(session, bytes, samples) && !session.damaged;
  const bool inverted = session.codec.saw_Adobe_marker == TRUE;
  jpeg_destroy_decompress(&session.codec);
  if (!whole) {
    return {};
  }
  return samples.channels() == 1 ? samples : luma_of_inks(samples, inverted);
}

}  // namespace pulmo
