#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <functional>
#include <string>
#include <string_view>

#include "core/image/dicom.h"
#include "core/support/bytes.h"

namespace pulmo {

/// Inside core/image only: DICOM objects in DCMTK's form.
enum class DicomPart {
  kHeader,  ///< everything in front of the pixel data; these may be missing
  kWhole,
};

struct DicomObject {
  DcmDataset dataset;
  std::string transfer_syntax_uid;  ///< as the file says; what DCMTK recognised in a bare data set
};

/// Parses `bytes` (a Part 10 file or a bare data set) and hands the object to `use`, which may run on another thread:
/// DCMTK follows nested sequences by recursion, so that hostile files need a stack as deep as they are. DCMTK's logger
/// is silenced and its codecs are registered on the first call.
/// Throws InvalidInput: not_dicom, truncated_dicom, too_large, unsupported_transfer_syntax (kWhole only), and what
/// `use` throws. Thread-safe.
void with_dicom_object(ByteView bytes, std::string_view name, DicomPart part, const DecodeLimits& limits,
                       const std::function<void(DicomObject&)>& use);

/// The header of a parsed object. Position, orientation, spacing and rescale of an Enhanced CT are those of `frame`.
DicomHeader header_of(DicomObject& object, std::int64_t frame);

}  // namespace pulmo
