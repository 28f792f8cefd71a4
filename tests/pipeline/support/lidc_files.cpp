#include "tests/pipeline/support/lidc_files.h"

#include <zip.h>

#include <cmath>
#include <fstream>
#include <stdexcept>

namespace pulmo::testing {
namespace {

/// Explicit VR little endian, PS3.5 section 7.1.2.
class DicomWriter {
 public:
  void text(std::uint16_t group, std::uint16_t element, const char* vr, std::string value) {
    if (value.size() % 2 == 1) value += vr == std::string("UI") ? '\0' : ' ';
    begin(group, element, vr);
    number(static_cast<std::uint16_t>(value.size()));
    bytes_ += value;
  }
  void whole(std::uint16_t group, std::uint16_t element, std::uint16_t value) {
    begin(group, element, "US");
    number<std::uint16_t>(2);
    number(value);
  }
  void pixels(const std::vector<std::int16_t>& values) {
    begin(0x7fe0, 0x0010, "OW");
    number<std::uint16_t>(0);
    number(static_cast<std::uint32_t>(values.size() * 2));
    for (const std::int16_t value : values) number(static_cast<std::uint16_t>(value));
  }
  void raw(const std::string& bytes) { bytes_ += bytes; }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::uint16_t group, std::uint16_t element, const char* vr) {
    number(group);
    number(element);
    bytes_ += vr;
  }
  template <typename Number>
  void number(Number value) {
    for (std::size_t i = 0; i < sizeof value; ++i) bytes_ += static_cast<char>((value >> (8 * i)) & 0xffU);
  }

  std::string bytes_;
};

bool in_ellipse(int x, int y, double cx, double cy, double rx, double ry) {
  return (x - cx) * (x - cx) / (rx * rx) + (y - cy) * (y - cy) / (ry * ry) <= 1.0;
}

/// HU + 1024 of a body, its lungs and a little texture.
std::vector<std::int16_t> chest(bool lungs, std::int64_t seed) {
  std::vector<std::int16_t> pixels;
  for (int y = 0; y < kCtSide; ++y) {
    for (int x = 0; x < kCtSide; ++x) {
      int hu = -1000;
      if (in_ellipse(x, y, 47.5, 47.5, 42, 32)) hu = 40;
      if (lungs && (in_ellipse(x, y, 30, 48, 13, 20) || in_ellipse(x, y, 65, 48, 13, 20))) hu = -850;
      hu += static_cast<int>((x * 7 + y * 13 + seed * 5) % 11) - 5;
      pixels.push_back(static_cast<std::int16_t>(hu + 1024));
    }
  }
  return pixels;
}

std::string number_text(double value) {
  std::string text = std::to_string(value);
  return text.substr(0, 15);
}

std::string roi_xml(const std::pair<std::string, double>& slice, const std::vector<cv::Point>& points) {
  std::string xml = "<roi><imageZposition>" + number_text(slice.second) + " </imageZposition><imageSOP_UID>" +
                    slice.first + "</imageSOP_UID><inclusion>TRUE</inclusion>";
  for (const cv::Point& p : points) {
    xml +=
        "<edgeMap><xCoord>" + std::to_string(p.x) + "</xCoord><yCoord>" + std::to_string(p.y) + "</yCoord></edgeMap>";
  }
  return xml + "</roi>";
}

std::string mark_xml(const MarkXml& mark, int number) {
  if (mark.kind == "non_nodule") {
    return "<nonNodule><nonNoduleID>" + std::to_string(number) + "</nonNoduleID><imageZposition>" +
           number_text(mark.slices.front().second) + "</imageZposition><imageSOP_UID>" + mark.slices.front().first +
           "</imageSOP_UID><locus><xCoord>30</xCoord><yCoord>40</yCoord></locus></nonNodule>";
  }
  std::string xml = "<unblindedReadNodule><noduleID>" + std::to_string(number) + "</noduleID>";
  if (mark.kind == "nodule") {
    xml += "<characteristics>";
    for (const char* name : {"subtlety", "internalStructure", "calcification", "sphericity", "margin", "lobulation",
                             "spiculation", "texture"}) {
      xml += std::string("<") + name + ">1</" + name + ">";
    }
    xml += "<malignancy>" + std::to_string(mark.malignancy) + "</malignancy></characteristics>";
  }
  for (const auto& slice : mark.slices) {
    const bool point = mark.kind == "small";
    const std::vector<cv::Point> one{{mark.centre_x, mark.centre_y}};
    xml += roi_xml(slice, point ? one : diamond(mark.centre_x, mark.centre_y, mark.radius));
  }
  return xml + "</unblindedReadNodule>";
}

}  // namespace

Bytes ct_file(const CtSlice& slice) {
  DicomWriter meta;
  meta.text(0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1");
  DicomWriter file;
  file.raw(std::string(128, '\0') + "DICM" + meta.bytes());
  file.text(0x0008, 0x0008, "CS", slice.image_type);
  file.text(0x0008, 0x0016, "UI", slice.sop_class_uid);
  file.text(0x0008, 0x0018, "UI", slice.sop_uid);
  file.text(0x0008, 0x0060, "CS", slice.modality);
  file.text(0x0008, 0x0070, "LO", slice.manufacturer);
  file.text(0x0010, 0x0020, "LO", slice.patient);
  file.text(0x0018, 0x0050, "DS", number_text(slice.thickness_mm));
  file.text(0x0020, 0x000d, "UI", slice.series_uid + ".9");
  file.text(0x0020, 0x000e, "UI", slice.series_uid);
  file.text(0x0020, 0x0013, "IS", std::to_string(slice.instance));
  if (slice.has_position) file.text(0x0020, 0x0032, "DS", "-190\\-190\\" + number_text(slice.z_mm));
  file.text(0x0020, 0x0037, "DS", slice.orientation);
  file.whole(0x0028, 0x0002, 1);
  file.text(0x0028, 0x0004, "CS", "MONOCHROME2");
  if (slice.frames > 1) file.text(0x0028, 0x0008, "IS", std::to_string(slice.frames));
  file.whole(0x0028, 0x0010, kCtSide);
  file.whole(0x0028, 0x0011, kCtSide);
  file.text(0x0028, 0x0030, "DS", slice.pixel_spacing);
  file.whole(0x0028, 0x0100, 16);
  file.whole(0x0028, 0x0101, 16);
  file.whole(0x0028, 0x0102, 15);
  file.whole(0x0028, 0x0103, 1);
  file.text(0x0028, 0x1052, "DS", "-1024");
  file.text(0x0028, 0x1053, "DS", "1");
  file.pixels(chest(slice.lungs, slice.instance));
  const ByteView view = as_bytes(file.bytes());
  return {view.begin(), view.end()};
}

std::vector<cv::Point> diamond(int centre_x, int centre_y, int radius) {
  std::vector<cv::Point> points;
  for (int i = 0; i < radius; ++i) points.emplace_back(centre_x + radius - i, centre_y + i);
  for (int i = 0; i < radius; ++i) points.emplace_back(centre_x - i, centre_y + radius - i);
  for (int i = 0; i < radius; ++i) points.emplace_back(centre_x - radius + i, centre_y - i);
  for (int i = 0; i < radius; ++i) points.emplace_back(centre_x + i, centre_y - radius + i);
  points.push_back(points.front());
  return points;
}

std::string reading_xml(const std::string& series_uid, const std::vector<std::vector<MarkXml>>& sessions) {
  std::string xml =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LidcReadMessage xmlns=\"http://www.nih.gov\"><ResponseHeader>"
      "<SeriesInstanceUid>" +
      series_uid +
      "</SeriesInstanceUid><DateService>2008-08-18</DateService><TimeService>02:05:51</TimeService></ResponseHeader>\n";
  for (const auto& marks : sessions) {
    xml += "<readingSession>";
    for (std::size_t i = 0; i < marks.size(); ++i) xml += mark_xml(marks[i], static_cast<int>(i));
    xml += "</readingSession>\n";
  }
  return xml + "</LidcReadMessage>\n";
}

void write_bytes(const std::filesystem::path& path, ByteView bytes) {
  write_text(path, as_text(bytes));
}

void write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream stream(path, std::ios::binary);
  stream.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream) throw std::runtime_error("cannot write " + path.string());
}

void write_zip(const std::filesystem::path& path, const std::vector<std::pair<std::string, std::string>>& entries) {
  std::filesystem::create_directories(path.parent_path());
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (archive == nullptr) throw std::runtime_error("cannot create " + path.string());
  for (const auto& [name, content] : entries) {
    zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
    if (zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8) < 0)
      throw std::runtime_error("cannot add " + name);
  }
  if (zip_close(archive) != 0) throw std::runtime_error("cannot write " + path.string());
}

void write_mini_archive(const std::filesystem::path& directory, int patients, int slices) {
  for (int p = 0; p < patients; ++p) {
    CtSlice slice;
    slice.patient = "P-" + std::to_string(p);
    slice.series_uid = "2.25.100" + std::to_string(p);
    MarkXml mark;
    mark.malignancy = p % 2 == 0 ? 5 : 2;
    for (int i = 0; i < slices; ++i) {
      slice.instance = i + 1;
      slice.sop_uid = slice.series_uid + "." + std::to_string(i + 1);
      slice.z_mm = -100.0 + 4.0 * i;
      write_bytes(directory / "images" / slice.patient / (std::to_string(i) + ".dcm"), ct_file(slice));
      if (i >= 5 && i <= 7) mark.slices.emplace_back(slice.sop_uid, slice.z_mm);
    }
    const std::string xml = reading_xml(slice.series_uid, {{mark}, {mark}});
    write_text(directory / "annotations" / (slice.patient + ".xml"), xml);
  }
}

}  // namespace pulmo::testing
