#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "core/image/dicom_object.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

std::string text_of(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  if (item.findAndGetOFStringArray(tag, value).bad()) {
    return {};
  }
  const std::string text(value.c_str(), value.length());
  const std::size_t begin = text.find_first_not_of(' ');
  const std::size_t end = text.find_last_not_of(std::string_view(" \0", 2));
  return begin == std::string::npos || end == std::string::npos || begin > end ? ""
                                                                               : text.substr(begin, end - begin + 1);
}

// Every value of `tag` or, when one is missing or not a number, none.
template <std::size_t kCount>
bool reals_of(DcmItem& item, const DcmTagKey& tag, std::array<double, kCount>& values) {
  std::array<double, kCount> read{};
  for (std::size_t i = 0; i < kCount; ++i) {
    Float64 value = 0.0;
    if (item.findAndGetFloat64(tag, value, static_cast<unsigned long>(i)).bad() || !std::isfinite(value)) {
      return false;
    }
    read[i] = value;
  }
  values = read;
  return true;
}

void real_of(DcmItem& item, const DcmTagKey& tag, double& value) {
  std::array<double, 1> read{};
  if (reals_of(item, tag, read)) {
    value = read[0];
  }
}

std::int64_t whole_of(DcmItem& item, const DcmTagKey& tag, std::int64_t fallback) {
  Sint32 text_value = 0;
  if (item.findAndGetSint32(tag, text_value).good()) {
    return text_value;
  }
  Uint16 value = 0;
  return item.findAndGetUint16(tag, value).good() ? value : fallback;
}

void read_identity(DcmItem& item, DicomHeader& header) {
  header.patient_id = text_of(item, DCM_PatientID);
  header.study_uid = text_of(item, DCM_StudyInstanceUID);
  header.series_uid = text_of(item, DCM_SeriesInstanceUID);
  header.sop_instance_uid = text_of(item, DCM_SOPInstanceUID);
  header.sop_class_uid = text_of(item, DCM_SOPClassUID);
  header.modality = text_of(item, DCM_Modality);
  header.image_type = text_of(item, DCM_ImageType);
  header.manufacturer = text_of(item, DCM_Manufacturer);
  header.manufacturer_model = text_of(item, DCM_ManufacturerModelName);
}

void read_geometry(DcmItem& item, DicomHeader& header) {
  header.has_position = reals_of(item, DCM_ImagePositionPatient, header.position_mm) || header.has_position;
  reals_of(item, DCM_ImageOrientationPatient, header.orientation);
  std::array<double, 2> spacing{};
  if (reals_of(item, DCM_PixelSpacing, spacing) && spacing[0] > 0.0 && spacing[1] > 0.0) {
    header.row_spacing_mm = spacing[0];
    header.column_spacing_mm = spacing[1];
  }
  real_of(item, DCM_SliceThickness, header.slice_thickness_mm);
}

// A rescale value that is there but no number must not pass for an absent one: it becomes NaN.
void read_rescale(DcmItem& item, DicomHeader& header) {
  for (const auto& [tag, value] : {std::pair{DCM_RescaleSlope, &header.rescale_slope},
                                   std::pair{DCM_RescaleIntercept, &header.rescale_intercept}}) {
    if (item.tagExistsWithValue(tag)) {
      *value = std::numeric_limits<double>::quiet_NaN();
      real_of(item, tag, *value);
    }
  }
  if (item.tagExistsWithValue(DCM_RescaleType)) header.rescale_type = text_of(item, DCM_RescaleType);
}

// Functional groups of an enhanced object (PS3.3 C.7.6.16): those of all frames, then those of one.
void read_functional_groups(DcmItem& dataset, std::int64_t frame, DicomHeader& header) {
  const std::array<std::pair<DcmTagKey, long>, 2> places = {
      {{DCM_SharedFunctionalGroupsSequence, 0}, {DCM_PerFrameFunctionalGroupsSequence, static_cast<long>(frame)}}};
  for (const auto& [tag, index] : places) {
    DcmItem* group = nullptr;
    if (dataset.findAndGetSequenceItem(tag, group, index).bad() || group == nullptr) {
      continue;
    }
    for (const DcmTagKey& part : {DCM_PixelMeasuresSequence, DCM_PlanePositionSequence, DCM_PlaneOrientationSequence}) {
      DcmItem* item = nullptr;
      if (group->findAndGetSequenceItem(part, item, 0).good() && item != nullptr) {
        read_geometry(*item, header);
      }
    }
    DcmItem* values = nullptr;
    if (group->findAndGetSequenceItem(DCM_PixelValueTransformationSequence, values, 0).good() && values != nullptr) {
      read_rescale(*values, header);
    }
  }
}

}  // namespace

DicomHeader header_of(DicomObject& object, std::int64_t frame) {
  DcmDataset& dataset = object.dataset;
  DicomHeader header;
  read_identity(dataset, header);
  header.transfer_syntax_uid = object.transfer_syntax_uid;
  header.instance_number = whole_of(dataset, DCM_InstanceNumber, 0);
  header.rows = whole_of(dataset, DCM_Rows, 0);
  header.columns = whole_of(dataset, DCM_Columns, 0);
  header.frames = whole_of(dataset, DCM_NumberOfFrames, 1);
  read_geometry(dataset, header);
  read_rescale(dataset, header);
  read_functional_groups(dataset, frame, header);
  return header;
}

double DicomHeader::position_along_normal_mm() const {
  if (!has_position) {
    return 0.0;
  }
  const auto& o = orientation;
  return position_mm[0] * (o[1] * o[5] - o[2] * o[4]) + position_mm[1] * (o[2] * o[3] - o[0] * o[5]) +
         position_mm[2] * (o[0] * o[4] - o[1] * o[3]);
}

DicomHeader read_dicom_header(ByteView bytes, std::string_view name) {
  DicomHeader header;
  with_dicom_object(bytes, name, DicomPart::kHeader, DecodeLimits{},
                    [&](DicomObject& object) { header = header_of(object, 0); });
  return header;
}

std::vector<DicomHeader> read_dicom_frames(ByteView bytes, std::string_view name, const DecodeLimits& limits) {
  std::vector<DicomHeader> headers;
  with_dicom_object(bytes, name, DicomPart::kHeader, limits, [&](DicomObject& object) {
    headers.push_back(header_of(object, 0));
    const std::int64_t frames = headers.front().frames;
    if (frames > limits.max_frames) {
      throw InvalidInput("too_large", std::string(name) + ": " + std::to_string(frames) + " frames, at most " +
                                          std::to_string(limits.max_frames) + " are read");
    }
    for (std::int64_t frame = 1; frame < frames; ++frame) headers.push_back(header_of(object, frame));
  });
  return headers;
}

}  // namespace pulmo
