#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <string_view>

#include "core/image/dicom.h"
#include "core/support/bytes.h"

namespace pulmo {

/// Inside core/image only: a parsed DICOM object in DCMTK's form.
enum class DicomPart {
  kHeader,  ///< everything in front of the pixel data; these may be missing
  kWhole,
};

/// Parses `bytes` (Part 10 file or bare data set) into `file`. DCMTK's logger is silenced and its codecs are registered
/// on the first call. Throws InvalidInput: not_dicom, truncated_dicom. Thread-safe.
void parse_dicom(ByteView bytes, std::string_view name, DicomPart part, DcmFileFormat& file);

/// The header of a parsed object.
DicomHeader header_of(DcmFileFormat& file);

}  // namespace pulmo
