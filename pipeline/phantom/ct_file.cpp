#include "pipeline/phantom/ct_file.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <array>
#include <cstdio>

#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "pipeline/phantom/uid.h"

namespace pulmo::pipeline::phantom {
namespace {

/// A Decimal String (at most 16 characters) with at most six decimals.
std::string decimal(double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.6f", value == 0.0 ? 0.0 : value);
  std::string result = text.data();
  while (result.back() == '0') result.pop_back();
  if (result.back() == '.') result.pop_back();
  return result;
}

class DatasetWriter {
 public:
  explicit DatasetWriter(DcmDataset& dataset) : dataset_(dataset) {}

  void text(const DcmTagKey& tag, const std::string& value) { check(dataset_.putAndInsertString(tag, value.c_str())); }
  void number(const DcmTagKey& tag, int value) { check(dataset_.putAndInsertUint16(tag, static_cast<Uint16>(value))); }
  void signed_number(const DcmTagKey& tag, int value) {
    check(dataset_.putAndInsertSint16(DcmTag(tag, EVR_SS), static_cast<Sint16>(value)));
  }
  void pixels(const std::vector<Uint16>& values) {
    check(dataset_.putAndInsertUint16Array(DcmTag(DCM_PixelData, EVR_OW), values.data(),
                                           static_cast<unsigned long>(values.size())));
  }

 private:
  static void check(const OFCondition& condition) {
    if (condition.bad()) throw std::runtime_error(std::string("cannot build a DICOM object: ") + condition.text());
  }

  DcmDataset& dataset_;
};

void put_patient_and_study(DatasetWriter& out, const Patient& patient, const ScanUids& uids) {
  out.text(DCM_SpecificCharacterSet, "ISO_IR 100");
  for (const DcmTagKey& date : {DCM_StudyDate, DCM_SeriesDate, DCM_AcquisitionDate, DCM_ContentDate}) {
    out.text(date, "20000101");
  }
  for (const DcmTagKey& time : {DCM_StudyTime, DCM_SeriesTime, DCM_AcquisitionTime, DCM_ContentTime}) {
    out.text(time, "120000");
  }
  out.text(DCM_AccessionNumber, "");
  out.text(DCM_ReferringPhysicianName, "");
  out.text(DCM_PatientName, "Phantom^" + patient.id);
  out.text(DCM_PatientID, patient.id);
  out.text(DCM_PatientBirthDate, "");
  out.text(DCM_PatientSex, patient.anatomy.breast_mm > 0.0 ? "F" : "M");
  out.text(DCM_PatientIdentityRemoved, "YES");
  out.text(DCM_DeidentificationMethod, "synthetic: no person was scanned");
  out.text(DCM_StudyInstanceUID, uids.study);
  out.text(DCM_StudyID, "1");
  out.text(DCM_StudyDescription, "CT CHEST (synthetic phantom)");
}

void put_series(DatasetWriter& out, const Patient& patient, const ScanUids& uids) {
  const Scanner& scanner = patient.scanner;
  out.text(DCM_Modality, "CT");
  out.text(DCM_SeriesInstanceUID, uids.series);
  out.text(DCM_SeriesNumber, "1");
  out.text(DCM_BodyPartExamined, "CHEST");
  out.text(DCM_PatientPosition, "HFS");
  out.text(DCM_FrameOfReferenceUID, uids.frame);
  out.text(DCM_PositionReferenceIndicator, "");
  out.text(DCM_Manufacturer, kManufacturer);
  out.text(DCM_ManufacturerModelName, scanner.model);
  out.text(DCM_ConvolutionKernel, scanner.kernel);
  out.text(DCM_KVP, "120");
  out.text(DCM_ReconstructionDiameter, decimal(patient.scan.field_mm));
  out.text(DCM_GantryDetectorTilt, "0");
  const auto blood = static_cast<std::size_t>(Tissue::kArterialBlood);
  if (patient.anatomy.hu[blood] > 80.0F) out.text(DCM_ContrastBolusAgent, "IV");
}

void put_plane(DatasetWriter& out, const Patient& patient, const ScanUids& uids, std::size_t slice) {
  const Scan& scan = patient.scan;
  const std::string z = decimal(dicom_z_mm(patient, slice));
  out.text(DCM_SOPClassUID, UID_CTImageStorage);
  out.text(DCM_SOPInstanceUID, uids.instances[slice]);
  out.text(DCM_ImageType, "ORIGINAL\\PRIMARY\\AXIAL");
  out.text(DCM_AcquisitionNumber, "1");
  out.text(DCM_InstanceNumber, std::to_string(instance_number(patient, slice)));
  out.text(DCM_SliceThickness, decimal(scan.thickness_mm));
  out.text(DCM_ImagePositionPatient, decimal(scan.grid.first_x_mm) + "\\" + decimal(scan.grid.first_y_mm) + "\\" + z);
  out.text(DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
  out.text(DCM_SliceLocation, z);
  out.text(DCM_PixelSpacing, decimal(scan.grid.spacing_mm) + "\\" + decimal(scan.grid.spacing_mm));
}

void put_pixel_description(DatasetWriter& out, const Patient& patient) {
  const Scanner& scanner = patient.scanner;
  out.number(DCM_SamplesPerPixel, 1);
  out.text(DCM_PhotometricInterpretation, "MONOCHROME2");
  out.number(DCM_Rows, patient.scan.grid.side_px);
  out.number(DCM_Columns, patient.scan.grid.side_px);
  out.number(DCM_BitsAllocated, 16);
  out.number(DCM_BitsStored, scanner.bits_stored);
  out.number(DCM_HighBit, scanner.bits_stored - 1);
  out.number(DCM_PixelRepresentation, scanner.is_signed ? 1 : 0);
  if (scanner.padding_value) out.signed_number(DCM_PixelPaddingValue, *scanner.padding_value);
  out.text(DCM_WindowCenter, "-600");
  out.text(DCM_WindowWidth, "1600");
  out.text(DCM_RescaleIntercept, std::to_string(scanner.intercept_hu));
  out.text(DCM_RescaleSlope, "1");
  out.text(DCM_RescaleType, "HU");
}

std::vector<Uint16> stored_values(const cv::Mat& hu, const Scanner& scanner) {
  const int low = std::max(scanner.is_signed ? -32768 : 0, -1024 - scanner.intercept_hu);
  const int high =
      std::min((1 << (scanner.bits_stored - (scanner.is_signed ? 1 : 0))) - 1, 3071 - scanner.intercept_hu);
  const double middle = 0.5 * (hu.rows - 1);
  const double radius = 0.5 * hu.rows;
  std::vector<Uint16> values;
  values.reserve(hu.total());
  for (int row = 0; row < hu.rows; ++row) {
    for (int column = 0; column < hu.cols; ++column) {
      int stored = std::clamp(cvRound(hu.at<float>(row, column)) - scanner.intercept_hu, low, high);
      if (scanner.padding_value && std::hypot(row - middle, column - middle) > radius) stored = *scanner.padding_value;
      values.push_back(static_cast<Uint16>(stored));
    }
  }
  return values;
}

}  // namespace

ScanUids uids_of(const Patient& patient) {
  const auto index = static_cast<std::uint64_t>(patient.index);
  ScanUids uids{derive_uid(patient.seed, "phantom/study", index),
                derive_uid(patient.seed, "phantom/series", index),
                derive_uid(patient.seed, "phantom/frame", index),
                {}};
  for (std::size_t i = 0; i < patient.scan.z_mm.size(); ++i) {
    uids.instances.push_back(derive_uid(patient.seed, "phantom/instance", index, i));
  }
  return uids;
}

int instance_number(const Patient& patient, std::size_t slice) {
  const std::size_t count = patient.scan.z_mm.size();
  return static_cast<int>(patient.scanner.numbers_from_below ? count - slice : slice + 1);
}

double dicom_z_mm(const Patient& patient, std::size_t slice) {
  return patient.scan.z_mm[slice] + patient.scan.table_mm;
}

void write_ct_slice(const std::filesystem::path& path, const cv::Mat& hu, const Patient& patient, const ScanUids& uids,
                    std::size_t slice) {
  DcmFileFormat file;
  DatasetWriter out(*file.getDataset());
  put_patient_and_study(out, patient, uids);
  put_series(out, patient, uids);
  put_plane(out, patient, uids, slice);
  put_pixel_description(out, patient);
  out.pixels(stored_values(hu, patient.scanner));
  AtomicFile target(path);
  const OFCondition saved = file.saveFile(target.temp_path().c_str(), EXS_LittleEndianExplicit);
  if (saved.bad()) throw IoError("cannot write " + path.string() + ": " + saved.text());
  target.commit();
}

}  // namespace pulmo::pipeline::phantom
