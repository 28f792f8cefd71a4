#include "core/image/dicom_object.h"

#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>

#include <array>
#include <cstdint>
#include <mutex>

#include "core/image/deep_stack.h"
#include "core/image/dicom_stream.h"
#include "core/image/inflate.h"
#include "core/image/row_kernels.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

// One level of nested sequences costs DCMTK 3.6.7 between 0.8 and 2.7 kB of stack to read.
constexpr std::size_t kStackPerItemBytes = 4096;
constexpr std::size_t kStackBytes = std::size_t{1} << 20U;
constexpr std::size_t kItemsOnAnyStack = 512;
constexpr std::size_t kMaxItems = 65536;  // an Enhanced CT has ten or so for each frame

// What surrounds the pixels of a deflated object.
constexpr std::size_t kDeflatedHeaderBytes = std::size_t{16} << 20U;
constexpr std::size_t kDeflatedPixelBytes = 4;

// DCMTK logs what it meets in a data set, identifiers too: nothing of that may reach a server's output.
void start_dcmtk() {
  static std::once_flag once;
  std::call_once(once, [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DcmRLEDecoderRegistration::registerCodecs();
    DJDecoderRegistration::registerCodecs(EDC_never);
    DJLSDecoderRegistration::registerCodecs();
  });
}

// Where the data set lies, and how it is written.
struct Layout {
  ByteView dataset;
  Bytes inflated;  // what `dataset` looks at, for the deflated syntax
  std::string transfer_syntax_uid;
  E_TransferSyntax syntax = EXS_Unknown;
};

Layout find_dataset(ByteView bytes, std::string_view name, const DecodeLimits& limits) {
  MemoryStream stream(bytes);
  DcmMetaInfo meta;
  meta.transferInit();
  const OFCondition read = meta.read(stream);
  meta.transferEnd();
  if (read.bad()) {
    throw InvalidInput("truncated_dicom", std::string(name) + ": the DICOM file ends within its file meta information" +
                                              " or that is damaged (" + read.text() + ")");
  }
  Layout layout;
  layout.dataset = bytes.subspan(static_cast<std::size_t>(stream.tell()));
  OFString uid;
  meta.findAndGetOFString(DCM_TransferSyntaxUID, uid);
  layout.transfer_syntax_uid.assign(uid.c_str(), uid.length());
  if (!uid.empty()) {
    layout.syntax = DcmXfer(uid.c_str()).getXfer();
  }
  if (layout.syntax == EXS_DeflatedLittleEndianExplicit) {
    const auto max_pixels = static_cast<std::size_t>(limits.max_pixels);
    layout.inflated = inflate_raw(layout.dataset, kDeflatedHeaderBytes + kDeflatedPixelBytes * max_pixels, name);
    layout.dataset = layout.inflated;
    layout.syntax = EXS_LittleEndianExplicit;
  }
  return layout;
}

// No sequence can be nested deeper than there are item tags, (FFFE,E000) in either byte order.
// Pixels are full of bytes that a tag might begin with, so every place is looked at.
std::size_t count_item_tags(ByteView bytes) {
  constexpr std::array<std::uint8_t, 4> kLittle = {0xFE, 0xFF, 0x00, 0xE0};
  constexpr std::array<std::uint8_t, 4> kBig = {0xFF, 0xFE, 0xE0, 0x00};
  return row_kernels().count_words(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), kLittle.data(),
                                   kBig.data());
}

/// Does `work` with as much stack as the sequences of `bytes` can need.
void with_room_for(ByteView bytes, std::string_view name, const std::function<void()>& work) {
  const std::size_t items = count_item_tags(bytes);
  if (items > kMaxItems) {
    throw InvalidInput("too_large", std::string(name) + ": the DICOM file holds " + std::to_string(items) +
                                        " sequence items, at most " + std::to_string(kMaxItems) + " are read");
  }
  if (items <= kItemsOnAnyStack) {
    work();
  } else {
    run_with_stack(kStackBytes + items * kStackPerItemBytes, work);
  }
}

void parse(const Layout& layout, std::string_view name, DicomPart part, DicomObject& object) {
  // Every syntax that DCMTK does not know is compressed, and those all have explicit little endian headers (PS3.5 A.4).
  const bool unknown = layout.syntax == EXS_Unknown && !layout.transfer_syntax_uid.empty();
  if (unknown && part == DicomPart::kWhole) {
    throw InvalidInput("unsupported_transfer_syntax", std::string(name) + ": transfer syntax " +
                                                          layout.transfer_syntax_uid +
                                                          " is not supported: convert the file to an uncompressed one");
  }
  MemoryStream stream(layout.dataset);
  object.dataset.transferInit();
  const DcmTagKey end = part == DicomPart::kHeader ? DCM_PixelData : DCM_UndefinedTagKey;
  const OFCondition read = object.dataset.readUntilTag(stream, unknown ? EXS_LittleEndianExplicit : layout.syntax,
                                                       EGL_noChange, DCM_MaxReadLength, end);
  object.dataset.transferEnd();
  if (read.bad() || object.dataset.card() == 0) {
    throw InvalidInput("truncated_dicom", std::string(name) + ": the DICOM data set of " +
                                              std::to_string(layout.dataset.size()) +
                                              " bytes ends early or is damaged (" + read.text() + ")");
  }
  object.transfer_syntax_uid = layout.transfer_syntax_uid.empty()
                                   ? DcmXfer(object.dataset.getOriginalXfer()).getXferID()
                                   : layout.transfer_syntax_uid;
}

}  // namespace

void with_dicom_object(ByteView bytes, std::string_view name, DicomPart part, const DecodeLimits& limits,
                       const std::function<void(DicomObject&)>& use) {
  if (!looks_like_dicom(bytes)) {
    throw InvalidInput("not_dicom", std::string(name) + ": not a DICOM file: neither the DICM mark nor a data set");
  }
  start_dcmtk();
  with_room_for(bytes, name, [&] {  // sequences may be nested in the file meta information too
    const Layout layout = find_dataset(bytes, name, limits);
    const auto work = [&] {
      DicomObject object;
      parse(layout, name, part, object);
      use(object);
    };
    if (layout.inflated.empty()) {
      work();
    } else {
      with_room_for(layout.dataset, name, work);
    }
  });
}

}  // namespace pulmo
