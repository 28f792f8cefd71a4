#include "core/image/jpeg2000.h"

#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "core/image/jpeg2000_header.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

[[noreturn]] void refuse(std::string reason, std::string_view name, const std::string& problem) {
  throw InvalidInput(std::move(reason), std::string(name) + ": the JPEG 2000 data " + problem);
}

struct Source {
  ByteView bytes;
  std::size_t at = 0;
};

OPJ_SIZE_T read_some(void* buffer, OPJ_SIZE_T count, void* user) {
  auto& source = *static_cast<Source*>(user);
  const std::size_t taken = std::min<std::size_t>(count, source.bytes.size() - source.at);
  if (taken == 0) {
    return static_cast<OPJ_SIZE_T>(-1);
  }
  std::memcpy(buffer, source.bytes.data() + source.at, taken);
  source.at += taken;
  return taken;
}

OPJ_OFF_T skip_some(OPJ_OFF_T count, void* user) {
  auto& source = *static_cast<Source*>(user);
  if (count < 0) {
    return -1;
  }
  source.at += std::min(static_cast<std::size_t>(count), source.bytes.size() - source.at);
  return count;
}

OPJ_BOOL seek_to(OPJ_OFF_T position, void* user) {
  auto& source = *static_cast<Source*>(user);
  if (position < 0 || static_cast<std::size_t>(position) > source.bytes.size()) {
    return OPJ_FALSE;
  }
  source.at = static_cast<std::size_t>(position);
  return OPJ_TRUE;
}

struct Deleter {
  void operator()(opj_codec_t* codec) const { opj_destroy_codec(codec); }
  void operator()(opj_image_t* image) const { opj_image_destroy(image); }
};

struct StreamDeleter {
  void operator()(opj_stream_t* stream) const { opj_stream_destroy(stream); }
};

std::unique_ptr<opj_image_t, Deleter> unpack(Source source, std::string_view name, const PixelLayout& layout) {
  constexpr std::string_view kStart("\xFF\x4F\xFF\x51", 4);
  const std::size_t start = as_text(source.bytes).find(kStart);
  if (start == std::string_view::npos) {
    refuse("truncated_dicom", name, "have no code stream");
  }
  source.bytes = source.bytes.subspan(start);  // a JP2 file's boxes add nothing to a single channel
  check_jpeg2000_header(source.bytes, name, layout);
  const std::unique_ptr<opj_codec_t, Deleter> codec(opj_create_decompress(OPJ_CODEC_J2K));
  const std::unique_ptr<opj_stream_t, StreamDeleter> stream(opj_stream_default_create(OPJ_TRUE));
  if (!codec || !stream) {
    throw IoError("OpenJPEG gives no decoder");
  }
  opj_stream_set_read_function(stream.get(), read_some);
  opj_stream_set_skip_function(stream.get(), skip_some);
  opj_stream_set_seek_function(stream.get(), seek_to);
  opj_stream_set_user_data(stream.get(), &source, nullptr);
  opj_stream_set_user_data_length(stream.get(), source.bytes.size());
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* raw = nullptr;
  const bool ready = opj_setup_decoder(codec.get(), &parameters) == OPJ_TRUE &&
                     opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE) == OPJ_TRUE &&
                     opj_read_header(stream.get(), codec.get(), &raw) == OPJ_TRUE;
  std::unique_ptr<opj_image_t, Deleter> image(raw);
  if (!ready || opj_decode(codec.get(), stream.get(), image.get()) != OPJ_TRUE ||
      opj_end_decompress(codec.get(), stream.get()) != OPJ_TRUE) {
    refuse("truncated_dicom", name, "are damaged or end early");
  }
  return image;
}

}  // namespace

std::vector<std::uint8_t> decode_jpeg2000(ByteView code, std::string_view name, PixelLayout& layout) {
  const auto image = unpack({code, 0}, name, layout);
  const opj_image_comp_t& component = image->comps[0];
  if (image->numcomps != 1 || component.data == nullptr || component.w != layout.columns ||
      component.h != layout.rows || component.prec > 31) {
    refuse("bad_pixel_format", name, "are not one plane of the picture's size");
  }
  std::vector<std::uint8_t> bytes(layout.pixels() * sizeof(OPJ_INT32));
  std::memcpy(bytes.data(), component.data, bytes.size());
  // Encoders differ in whether they mark signed pixels as such: the DICOM header decides, on the stored bits.
  layout.bits_allocated = 32;
  layout.bits_stored = std::min(layout.bits_stored, static_cast<int>(component.prec));
  layout.high_bit = layout.bits_stored - 1;
  return bytes;
}

}  // namespace pulmo
