#pragma once

#include <cstdint>
#include <filesystem>
#include <opencv2/core/types.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/support/bytes.h"

namespace pulmo::testing {

/// A small valid CT slice, 96x96 pixels of 4 mm: a body with two lungs (or none). Written without a DICOM library.
struct CtSlice {
  std::string patient = "P-1";
  std::string series_uid = "2.25.1";
  std::string sop_uid = "2.25.1.1";
  std::string sop_class_uid = "1.2.840.10008.5.1.4.1.1.2";
  std::string modality = "CT";
  std::string image_type = "ORIGINAL\\PRIMARY\\AXIAL";
  std::string manufacturer = "Testco";
  std::string pixel_spacing = "4.0\\4.0";
  std::string orientation = "1\\0\\0\\0\\1\\0";
  std::int64_t instance = 1;
  int frames = 1;  ///< as the header says; the file has the pixels of one
  double z_mm = 0.0;
  double thickness_mm = 2.0;
  bool has_position = true;
  bool lungs = true;
};
inline constexpr int kCtSide = 96;
Bytes ct_file(const CtSlice& slice);

/// One reader's mark for reading_xml().
struct MarkXml {
  std::string kind = "nodule";  ///< nodule, small (a point, no ratings), non_nodule
  int malignancy = 5;           ///< 0 writes an invalid rating
  int centre_x = 30, centre_y = 48, radius = 4;
  std::vector<std::pair<std::string, double>> slices;  ///< SOP UID and z of each contour
};
/// An LIDC annotation file; one session for each entry of `sessions`.
std::string reading_xml(const std::string& series_uid, const std::vector<std::vector<MarkXml>>& sessions);

/// The diamond that reading_xml() draws: 8-connected, closed.
std::vector<cv::Point> diamond(int centre_x, int centre_y, int radius);

void write_bytes(const std::filesystem::path& path, ByteView bytes);
void write_text(const std::filesystem::path& path, std::string_view text);
/// Deflated entries in this order.
void write_zip(const std::filesystem::path& path, const std::vector<std::pair<std::string, std::string>>& entries);

/// Writes DIR/images/<patient>/<n>.dcm and DIR/annotations/<patient>.xml: `patients` series of `slices` slices 4 mm
/// apart, each read by two readers. Patient p has one nodule on the slices 5 to 7, rated malignant (5) for even p and
/// benign (2) for odd p.
void write_mini_archive(const std::filesystem::path& directory, int patients, int slices);

}  // namespace pulmo::testing
