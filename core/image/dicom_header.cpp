#include <array>
#include <string>

#include "core/image/dicom_object.h"

namespace pulmo {
namespace {

std::string text_of(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  if (item.findAndGetOFStringArray(tag, value).bad()) {
    return {};
  }
  const std::string text(value.c_str(), value.length());
  const std::size_t end = text.find_last_not_of(std::string_view(" \0", 2));
  const std::size_t begin = text.find_first_not_of(' ');
  return end == std::string::npos || begin > end ? std::string() : text.substr(begin, end - begin + 1);
}

bool real_of(DcmItem& item, const DcmTagKey& tag, unsigned long index, double& value) {
  Float64 read = 0.0;
  if (item.findAndGetFloat64(tag, read, index).bad()) {
    return false;
  }
  value = read;
  return true;
}

template <std::size_t kCount>
bool reals_of(DcmItem& item, const DcmTagKey& tag, std::array<double, kCount>& values) {
  std::array<double, kCount> read{};
  for (std::size_t i = 0; i < kCount; ++i) {
    if (!real_of(item, tag, i, read[i])) {
      return false;
    }
  }
  values = read;
  return true;
}

std::int64_t whole_of(DcmItem& item, const DcmTagKey& tag, std::int64_t fallback) {
  Sint32 text_value = 0;
  if (item.findAndGetSint32(tag, text_value).good()) {
    return text_value;
  }
  Uint16 value = 0;
  return item.findAndGetUint16(tag, value).good() ? value : fallback;
}

void read_geometry(DcmItem& item, DicomHeader& header) {
  header.has_position = reals_of(item, DCM_ImagePositionPatient, header.position_mm) || header.has_position;
  reals_of(item, DCM_ImageOrientationPatient, header.orientation);
  real_of(item, DCM_PixelSpacing, 0, header.row_spacing_mm);
  real_of(item, DCM_PixelSpacing, 1, header.column_spacing_mm);
  real_of(item, DCM_SliceThickness, 0, header.slice_thickness_mm);
  real_of(item, DCM_RescaleSlope, 0, header.rescale_slope);
  real_of(item, DCM_RescaleIntercept, 0, header.rescale_intercept);
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

}  // namespace

DicomHeader header_of(DcmFileFormat& file) {
  DcmDataset& dataset = *file.getDataset();
  DicomHeader header;
  read_identity(dataset, header);
  header.transfer_syntax_uid = DcmXfer(dataset.getOriginalXfer()).getXferID();
  header.instance_number = whole_of(dataset, DCM_InstanceNumber, 0);
  header.rows = whole_of(dataset, DCM_Rows, 0);
  header.columns = whole_of(dataset, DCM_Columns, 0);
  header.frames = whole_of(dataset, DCM_NumberOfFrames, 1);
  read_geometry(dataset, header);
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
  DcmFileFormat file;
  parse_dicom(bytes, name, DicomPart::kHeader, file);
  return header_of(file);
}

}  // namespace pulmo
