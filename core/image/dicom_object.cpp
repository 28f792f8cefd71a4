#include "core/image/dicom_object.h"

#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>

#include <mutex>
#include <string>

#include "core/support/error.h"

namespace pulmo {
namespace {

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

}  // namespace

void parse_dicom(ByteView bytes, std::string_view name, DicomPart part, DcmFileFormat& file) {
  start_dcmtk();
  if (!looks_like_dicom(bytes)) {
    throw InvalidInput("not_dicom", std::string(name) + ": not a DICOM file: neither the DICM mark nor a data set");
  }
  DcmInputBufferStream stream;
  stream.setBuffer(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  stream.setEos();
  file.transferInit();
  const OFCondition read = part == DicomPart::kHeader
                               ? file.readUntilTag(stream, EXS_Unknown, EGL_noChange, DCM_MaxReadLength, DCM_PixelData)
                               : file.read(stream);
  file.transferEnd();
  if (read.bad()) {
    throw InvalidInput("truncated_dicom", std::string(name) + ": the DICOM data set ends early or is damaged (" +
                                              read.text() + ", " + std::to_string(bytes.size()) + " bytes)");
  }
  if (file.getDataset()->card() == 0) {
    throw InvalidInput("truncated_dicom", std::string(name) + ": the DICOM data set is empty");
  }
}

}  // namespace pulmo
