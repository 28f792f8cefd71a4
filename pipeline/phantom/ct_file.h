#pragma once

#include <filesystem>
#include <opencv2/core/mat.hpp>
#include <string>

#include "pipeline/phantom/patient.h"

namespace pulmo::pipeline::phantom {

/// The UIDs of one patient's scan, all derived from the archive's seed.
struct ScanUids {
  std::string study;
  std::string series;
  std::string frame;
  std::vector<std::string> instances;  ///< by slice, uppermost first
};
ScanUids uids_of(const Patient& patient);

/// Instance Number of a slice: from above or from below, as the scanner counts.
int instance_number(const Patient& patient, std::size_t slice);

/// z of a slice in DICOM patient coordinates, mm.
double dicom_z_mm(const Patient& patient, std::size_t slice);

/// Writes one slice as a CT Image Storage object (PS3.3 A.3), Explicit VR Little Endian, uncompressed. `hu` is (S,S)
/// CV_32FC1; it is rounded, clipped to what the scanner can store, and padded outside the circle of reconstruction
/// where the scanner does so. Throws IoError. Thread-safe.
void write_ct_slice(const std::filesystem::path& path, const cv::Mat& hu, const Patient& patient, const ScanUids& uids,
                    std::size_t slice);

}  // namespace pulmo::pipeline::phantom
