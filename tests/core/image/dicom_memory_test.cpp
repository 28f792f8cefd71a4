// What a small file can make DCMTK ask for: lengths in a file are claims.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <new>

#include "core/image/dicom.h"
#include "core/support/error.h"
#include "tests/core/image/dicom_builder.h"
#include "tests/core/image/expect_refused.h"

namespace {

std::atomic<std::size_t> largest_request{0};

}  // namespace

/// DCMTK makes room for values with this operator; the program's own definition stands in front of the library's.
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  std::size_t largest = largest_request.load();
  while (size > largest && !largest_request.compare_exchange_weak(largest, size)) {
  }
  try {
    return ::operator new[](size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

namespace pulmo {
namespace {

using testing::DicomBuilder;
using testing::refusal_of;

/// An element of VR OB that claims `length` bytes and holds eight.
Bytes claiming(std::uint8_t group, std::uint8_t element, std::uint32_t length) {
  Bytes bytes;
  for (const std::uint8_t value : {group, std::uint8_t{0}, element, std::uint8_t{0}, std::uint8_t{'O'},
                                   std::uint8_t{'B'}, std::uint8_t{0}, std::uint8_t{0}}) {
    bytes.push_back(static_cast<std::byte>(value));
  }
  for (unsigned shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::byte>(length >> shift & 0xffU));
  bytes.resize(bytes.size() + 8);
  return bytes;
}

/// The largest room asked for while `bytes` are decoded; they must be refused as damaged.
std::size_t largest_for(const Bytes& bytes) {
  largest_request = 0;
  EXPECT_EQ(refusal_of([&] { decode_dicom(bytes, "test.dcm"); }), "truncated_dicom");
  EXPECT_EQ(refusal_of([&] { read_dicom_header(bytes, "test.dcm"); }), "truncated_dicom");
  return largest_request;
}

TEST(DicomMemory, IsCountedHere) {
  largest_request = 0;
  decode_dicom(DicomBuilder().file(), "test.dcm");
  EXPECT_GT(largest_request.load(), 0U);
}

TEST(DicomMemory, LengthsInTheDataSetAreNotBelieved) {
  const Bytes whole = DicomBuilder().file_with(claiming(0x08, 0x01, 0xA0000000U));
  EXPECT_LE(largest_for(whole), 65536U);
}

TEST(DicomMemory, LengthsInTheFileMetaInformationAreNotBelieved) {
  const Bytes whole = DicomBuilder().file();
  Bytes bytes(whole.begin(), whole.begin() + 132);
  const Bytes claim = claiming(0x02, 0x01, 0xA0000000U);
  bytes.insert(bytes.end(), claim.begin(), claim.end());
  EXPECT_LE(largest_for(bytes), 65536U);
}

}  // namespace
}  // namespace pulmo
