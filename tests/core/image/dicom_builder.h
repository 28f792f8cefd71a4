#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/support/bytes.h"

namespace pulmo::testing {

/// Writes DICOM files for tests byte by byte (PS3.5 section 7, PS3.10 section 7), independently of DCMTK: what it
/// writes may be as wrong as a test needs. It starts as a whole CT image of 20 columns x 16 rows, signed 16 bit, slope
/// 1, intercept -1024, all pixels 1000.
class DicomBuilder {
 public:
  using Tag = std::uint32_t;  ///< group << 16 | element

  DicomBuilder();

  DicomBuilder& text(Tag tag, const std::string& vr, std::string value);
  DicomBuilder& number(Tag tag, std::uint16_t value);  ///< VR US
  DicomBuilder& raw(Tag tag, const std::string& vr, Bytes value);
  /// A sequence of items; each is the content of another builder's data set.
  DicomBuilder& sequence(Tag tag, const std::vector<DicomBuilder>& items);
  /// Pixel data of VR OW.
  DicomBuilder& pixels(const std::vector<std::int16_t>& values);
  DicomBuilder& erase(Tag tag);
  DicomBuilder& clear();  ///< no element is left
  DicomBuilder& transfer_syntax(std::string uid);

  Bytes file() const;                           ///< preamble, file meta information, explicit little endian data set
  Bytes file_with(const Bytes& dataset) const;  ///< the same, around another data set
  Bytes explicit_dataset() const;
  Bytes implicit_dataset() const;

 private:
  std::map<Tag, std::pair<std::string, Bytes>> elements_;
  std::string transfer_syntax_ = "1.2.840.10008.1.2.1";
};

/// `count` pixels whose values run through a fixed pattern over `bits` bits.
std::vector<std::int16_t> pattern(std::size_t count, int bits);

}  // namespace pulmo::testing
