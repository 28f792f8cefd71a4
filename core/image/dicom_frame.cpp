#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcpxitem.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "core/image/dicom_pixels.h"
#include "core/image/jpeg2000.h"
#include "core/image/picture_header.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr const char* kNoPixels = "the DICOM object holds no pixel data: send the image itself";

[[noreturn]] void refuse(std::string reason, std::string_view name, const std::string& problem) {
  throw InvalidInput(std::move(reason), std::string(name) + ": " + problem);
}

// The fragments of an encapsulated picture, the offset table in front (PS3.5 A.4).
std::vector<ByteView> fragments_of(DcmPixelSequence& sequence, std::string_view name) {
  std::vector<ByteView> fragments;
  for (unsigned long i = 0; i < sequence.card(); ++i) {
    DcmPixelItem* item = nullptr;
    Uint8* bytes = nullptr;
    if (sequence.getItem(item, i).bad() || item == nullptr || item->getLength() == DCM_UndefinedLength) {
      refuse("truncated_dicom", name, "the compressed pixel data are damaged");
    }
    const bool filled = item->getLength() > 0 && item->getUint8Array(bytes).good() && bytes != nullptr;
    fragments.push_back(filled ? std::as_bytes(std::span(bytes, item->getLength())) : ByteView());
  }
  return fragments;
}

std::size_t little_endian_32(ByteView bytes, std::size_t index) {
  std::size_t value = 0;
  for (std::size_t i = 4; i > 0; --i) {
    value = value << 8U | std::to_integer<std::size_t>(bytes[4 * index + i - 1]);
  }
  return value;
}

// Fragments begin ... end - 1 hold the frame.
struct FragmentRange {
  std::size_t begin = 1;
  std::size_t end = 1;
};

FragmentRange by_offset_table(const std::vector<ByteView>& fragments, std::size_t frame, std::size_t frames) {
  constexpr std::size_t kItemHeaderBytes = 8;
  FragmentRange range{0, 0};
  std::size_t offset = 0;
  for (std::size_t i = 1; i < fragments.size(); ++i) {
    if (offset == little_endian_32(fragments[0], frame)) {
      range.begin = i;
    }
    if (frame + 1 < frames && offset == little_endian_32(fragments[0], frame + 1)) {
      range.end = i;
    }
    offset += fragments[i].size() + kItemHeaderBytes;
  }
  range.end = frame + 1 < frames ? range.end : fragments.size();
  return range;
}

FragmentRange fragments_of_frame(const std::vector<ByteView>& fragments, std::string_view name, std::int64_t frame,
                                 std::int64_t frames) {
  const auto index = static_cast<std::size_t>(frame);
  const auto count = static_cast<std::size_t>(frames);
  FragmentRange range;
  if (count == 1) {
    range.end = fragments.size();
  } else if (fragments.size() == count + 1) {
    range = {index + 1, index + 2};
  } else if (!fragments.empty() && fragments[0].size() == 4 * count) {
    range = by_offset_table(fragments, index, count);
  } else {
    refuse("bad_pixel_format", name, "it cannot be told which fragments hold frame " + std::to_string(frame));
  }
  if (range.begin == 0 || range.begin >= range.end) {
    refuse("truncated_dicom", name, "frame " + std::to_string(frame) + " has no pixel data");
  }
  return range;
}

Bytes joined(const std::vector<ByteView>& fragments, const FragmentRange& range) {
  Bytes whole;
  for (std::size_t i = range.begin; i < range.end; ++i) {
    whole.insert(whole.end(), fragments[i].begin(), fragments[i].end());
  }
  return whole;
}

// JPEG and JPEG-LS frames say their size again: DCMTK would believe it, and make room for it.
void check_jpeg(ByteView code, std::string_view name, PixelLayout& layout) {
  const std::optional<PictureHeader> header = read_jpeg_header(code);
  if (!header) {
    refuse("truncated_dicom", name, "the JPEG data of the pixels have no frame header");
  }
  if (header->width != layout.columns || header->height != layout.rows || header->channels != 1 ||
      header->bits > layout.bits_allocated || header->scans > kMaxJpegScans) {
    refuse("bad_pixel_format", name,
           "the JPEG data are of " + std::to_string(header->width) + " x " + std::to_string(header->height) + " x " +
               std::to_string(header->channels) + " values of " + std::to_string(header->bits) + " bits in " +
               std::to_string(header->scans) + " scans, the DICOM header says otherwise");
  }
  if (!header->complete) {
    refuse("truncated_dicom", name, "the JPEG data of the pixels end early");
  }
  if (header->bits <= 8) {  // unpacked to bytes, whatever the header allocates
    layout.bits_allocated = 8;
    layout.bits_stored = std::min(layout.bits_stored, 8);
    layout.high_bit = layout.bits_stored - 1;
  }
}

// A frame is one fragment and begins with the number of its segments and where each begins (PS3.5 annex G.5). DCMTK
// believes these offsets and reads wherever they point.
void check_run_length(const std::vector<ByteView>& fragments, const FragmentRange& range, std::string_view name) {
  constexpr std::size_t kHeaderBytes = 64;
  constexpr std::size_t kMaxSegments = 15;
  if (range.end - range.begin != 1) {
    refuse("bad_pixel_format", name, "a frame of RLE data lies in several fragments, where one is allowed");
  }
  const ByteView code = fragments[range.begin];
  std::size_t begin = kHeaderBytes;
  const std::size_t segments = code.size() < kHeaderBytes ? 0 : little_endian_32(code, 0);
  bool sound = segments >= 1 && segments <= kMaxSegments;
  for (std::size_t i = 1; sound && i <= segments; ++i) {
    const std::size_t next = little_endian_32(code, i);
    sound = next >= begin && next < code.size();
    begin = next;
  }
  if (!sound) {
    refuse("truncated_dicom", name, "the segments of the RLE data do not lie one after another within the data");
  }
}

bool is_jpeg(E_TransferSyntax syntax) {
  const bool lossy_or_lossless = syntax >= EXS_JPEGProcess1 && syntax <= EXS_JPEGProcess14SV1;
  return lossy_or_lossless || syntax == EXS_JPEGLSLossless || syntax == EXS_JPEGLSLossy;
}

bool is_jpeg_2000(E_TransferSyntax syntax) {
  return syntax == EXS_JPEG2000LosslessOnly || syntax == EXS_JPEG2000;
}

DcmPixelData& pixel_data_of(DcmDataset& dataset, std::string_view name) {
  DcmElement* element = nullptr;
  dataset.findAndGetElement(DCM_PixelData, element);
  auto* data = dynamic_cast<DcmPixelData*>(element);
  if (data == nullptr) {
    refuse("no_pixel_data", name, kNoPixels);
  }
  return *data;
}

/// DCMTK 3.6.8 renamed the question.
template <typename Xfer>
bool encapsulated(const Xfer& syntax) {
  if constexpr (requires { syntax.usesEncapsulatedFormat(); }) {
    return syntax.usesEncapsulatedFormat();
  } else {
    return syntax.isEncapsulated();
  }
}

// Only what was stored counts as the picture's bytes: DCMTK would read on behind a short value.
void check_native(DcmPixelData& data, std::string_view name, const PixelLayout& layout) {
  E_TransferSyntax stored_as = EXS_Unknown;
  const DcmRepresentationParameter* parameters = nullptr;
  data.getOriginalRepresentationKey(stored_as, parameters);
  const std::size_t needed = layout.frame_bytes() * static_cast<std::size_t>(layout.frames);
  if (encapsulated(DcmXfer(stored_as)) || data.getLength() == DCM_UndefinedLength) {
    refuse("bad_pixel_format", name, "the pixel data are compressed, the transfer syntax says otherwise");
  }
  if (data.getLength() == 0) {
    refuse("no_pixel_data", name, kNoPixels);
  }
  if (data.getLength() < needed) {
    refuse("truncated_dicom", name,
           "the pixel data hold " + std::to_string(data.getLength()) + " of " + std::to_string(needed) + " bytes");
  }
}

FrameBytes unpack(DicomObject& object, DcmPixelData& data, std::string_view name, const PixelLayout& layout,
                  std::int64_t frame, std::size_t first_fragment) {
  std::vector<std::uint8_t> bytes(layout.frame_bytes() + layout.frame_bytes() % 2);
  auto fragment = static_cast<Uint32>(first_fragment);
  OFString colour_model;
  const OFCondition read = data.getUncompressedFrame(&object.dataset, static_cast<Uint32>(frame), fragment,
                                                     bytes.data(), static_cast<Uint32>(bytes.size()), colour_model);
  if (read.bad()) {
    refuse("truncated_dicom", name, std::string("the pixel data cannot be unpacked (") + read.text() + ")");
  }
  return FrameBytes(std::move(bytes));
}

// Whether the object says all that DCMTK wants to know of its pixels; it refuses those that do not.
bool describes_pixels(DcmDataset& dataset) {
  return dataset.tagExistsWithValue(DCM_PhotometricInterpretation) && dataset.tagExistsWithValue(DCM_SamplesPerPixel) &&
         dataset.tagExistsWithValue(DCM_BitsAllocated);
}

// Words that are not compressed are taken from the object, without a copy.
FrameBytes native_frame(DicomObject& object, DcmPixelData& data, std::string_view name, const PixelLayout& layout,
                        std::int64_t frame) {
  Uint16* words = nullptr;
  const bool plain = layout.bits_allocated == 16 && describes_pixels(object.dataset);
  if (!plain || data.getUint16Array(words).bad() || words == nullptr) {
    return unpack(object, data, name, layout, frame, 0);
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(words);
  return FrameBytes(std::span(bytes + static_cast<std::size_t>(frame) * layout.frame_bytes(), layout.frame_bytes()));
}

}  // namespace

FrameBytes read_frame(DicomObject& object, std::string_view name, PixelLayout& layout, std::int64_t frame) {
  if (frame < 0 || frame >= layout.frames) {
    refuse("no_such_frame", name,
           "frame " + std::to_string(frame) + " asked for, there are " + std::to_string(layout.frames));
  }
  DcmPixelData& data = pixel_data_of(object.dataset, name);
  const E_TransferSyntax syntax = object.dataset.getOriginalXfer();
  if (!encapsulated(DcmXfer(syntax))) {
    check_native(data, name, layout);
    return native_frame(object, data, name, layout, frame);
  }
  DcmPixelSequence* sequence = nullptr;
  if (data.getEncapsulatedRepresentation(syntax, nullptr, sequence).bad() || sequence == nullptr) {
    refuse("truncated_dicom", name, "the pixel data end early, or are not compressed as the transfer syntax says");
  }
  const std::vector<ByteView> fragments = fragments_of(*sequence, name);
  if (fragments.size() < 2) {
    refuse("no_pixel_data", name, kNoPixels);
  }
  const FragmentRange range = fragments_of_frame(fragments, name, frame, layout.frames);
  if (is_jpeg_2000(syntax)) {
    return FrameBytes(decode_jpeg2000(joined(fragments, range), name, layout));
  }
  if (is_jpeg(syntax)) {
    check_jpeg(joined(fragments, range), name, layout);
  } else if (syntax == EXS_RLELossless) {
    check_run_length(fragments, range, name);
  } else {
    refuse(
        "unsupported_transfer_syntax", name,
        "transfer syntax " + object.transfer_syntax_uid + " is not supported: convert the file to an uncompressed one");
  }
  return unpack(object, data, name, layout, frame, range.begin);
}

}  // namespace pulmo
