#include "tests/core/image/dicom_builder.h"

#include <set>

namespace pulmo::testing {
namespace {

void append(Bytes& out, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) {
    out.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
}

void append(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Bytes even_text(std::string value, const std::string& vr) {
  if (value.size() % 2 != 0) {
    value.push_back(vr == "UI" ? '\0' : ' ');
  }
  const ByteView view = as_bytes(value);
  return {view.begin(), view.end()};
}

void append_element(Bytes& out, DicomBuilder::Tag tag, const std::string& vr, const Bytes& value) {
  static const std::set<std::string> long_form = {"OB", "OW", "OF", "SQ", "UN", "UT"};
  append(out, tag >> 16U, 2);
  append(out, tag & 0xFFFFU, 2);
  append(out, as_bytes(vr));
  if (long_form.contains(vr)) {
    append(out, 0, 2);
    append(out, value.size(), 4);
  } else {
    append(out, value.size(), 2);
  }
  append(out, value);
}

}  // namespace

DicomBuilder::DicomBuilder() {
  text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
  text(0x00080018, "UI", "1.2.3.4.5");
  text(0x00080060, "CS", "CT");
  text(0x00100020, "LO", "SECRET-PATIENT");
  text(0x0020000D, "UI", "1.2.3.4");
  text(0x0020000E, "UI", "1.2.3");
  number(0x00280002, 1);
  text(0x00280004, "CS", "MONOCHROME2");
  number(0x00280010, 16);
  number(0x00280011, 20);
  text(0x00280030, "DS", "0.7\\0.8");
  number(0x00280100, 16);
  number(0x00280101, 16);
  number(0x00280102, 15);
  number(0x00280103, 1);
  text(0x00281052, "DS", "-1024");
  text(0x00281053, "DS", "1");
  pixels(std::vector<std::int16_t>(320, 1000));
}

DicomBuilder& DicomBuilder::text(Tag tag, const std::string& vr, std::string value) {
  return raw(tag, vr, even_text(std::move(value), vr));
}

DicomBuilder& DicomBuilder::number(Tag tag, std::uint16_t value) {
  Bytes bytes;
  append(bytes, value, 2);
  return raw(tag, "US", bytes);
}

DicomBuilder& DicomBuilder::raw(Tag tag, const std::string& vr, Bytes value) {
  elements_[tag] = {vr, std::move(value)};
  return *this;
}

DicomBuilder& DicomBuilder::sequence(Tag tag, const std::vector<DicomBuilder>& items) {
  Bytes value;
  for (const DicomBuilder& item : items) {
    const Bytes content = item.explicit_dataset();
    append(value, 0xE000FFFEU, 4);
    append(value, content.size(), 4);
    append(value, content);
  }
  return raw(tag, "SQ", value);
}

DicomBuilder& DicomBuilder::pixels(const std::vector<std::int16_t>& values) {
  Bytes bytes;
  for (const std::int16_t value : values) {
    append(bytes, static_cast<std::uint16_t>(value), 2);
  }
  return raw(0x7FE00010, "OW", bytes);
}

DicomBuilder& DicomBuilder::erase(Tag tag) {
  elements_.erase(tag);
  return *this;
}

DicomBuilder& DicomBuilder::clear() {
  elements_.clear();
  return *this;
}

DicomBuilder& DicomBuilder::transfer_syntax(std::string uid) {
  transfer_syntax_ = std::move(uid);
  return *this;
}

Bytes DicomBuilder::file_with(const Bytes& dataset) const {
  Bytes meta;
  append_element(meta, 0x00020010, "UI", even_text(transfer_syntax_, "UI"));
  Bytes length;
  append(length, meta.size(), 4);
  Bytes out;
  for (int i = 0; i < 16; ++i) {  // the preamble
    append(out, 0, 8);
  }
  append(out, as_bytes("DICM"));
  append_element(out, 0x00020000, "UL", length);
  append(out, meta);
  append(out, dataset);
  return out;
}

Bytes DicomBuilder::file() const {
  return file_with(explicit_dataset());
}

Bytes DicomBuilder::explicit_dataset() const {
  Bytes out;
  for (const auto& [tag, element] : elements_) {
    append_element(out, tag, element.first, element.second);
  }
  return out;
}

Bytes DicomBuilder::implicit_dataset() const {
  Bytes out;
  for (const auto& [tag, element] : elements_) {
    append(out, tag >> 16U, 2);
    append(out, tag & 0xFFFFU, 2);
    append(out, element.second.size(), 4);
    append(out, element.second);
  }
  return out;
}

std::vector<std::int16_t> pattern(std::size_t count, int bits) {
  std::vector<std::int16_t> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<std::int16_t>((i * 2654435761U >> 7U) & ((1U << static_cast<unsigned>(bits)) - 1U));
  }
  return values;
}

}  // namespace pulmo::testing
