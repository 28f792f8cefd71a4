#include "core/store/h5_detail.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace pulmo::h5::detail {
namespace {

constexpr std::int64_t kReserveStepBytes = 8 << 20;      // disk space is claimed in steps of this size
constexpr std::int64_t kMetadataMarginBytes = 64 << 10;  // what HDF5 itself needs beside the data of one call

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex instance;
  return instance;
}

herr_t keep_innermost(unsigned position, const H5E_error2_t* error, void* out) {
  if (position == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
  return 0;
}

}  // namespace

Lock::Lock() : lock_(library_mutex()) {
  thread_local bool silenced = false;  // the error stack belongs to the thread where the library is built so
  if (!silenced) H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  silenced = true;
}

// The drivers' messages hold addresses and times; of those only the system's own words are kept.
void fail(const std::string& action) {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &reason);
  H5Eclear2(H5E_DEFAULT);
  constexpr std::string_view kSystem = "error message = '";
  const auto begin = reason.find(kSystem);
  if (begin == std::string::npos) throw Error(action + ": " + (reason.empty() ? "unknown error" : reason), false);
  const auto from = begin + kSystem.size();
  throw Error(action + ": " + reason.substr(from, reason.find('\'', from) - from), true);
}

hid_t memory_type(Element element) {
  switch (element) {
    case Element::kUint8: return H5T_NATIVE_UINT8;
    case Element::kUint16: return H5T_NATIVE_UINT16;
    case Element::kFloat64: return H5T_NATIVE_DOUBLE;
  }
  return H5I_INVALID_HID;
}

hid_t file_type(Element element) {
  switch (element) {
    case Element::kUint8: return H5T_STD_U8LE;
    case Element::kUint16: return H5T_STD_U16LE;
    case Element::kFloat64: return H5T_IEEE_F64LE;
  }
  return H5I_INVALID_HID;
}

std::int64_t bytes_of(Element element) {
  return static_cast<std::int64_t>(H5Tget_size(memory_type(element)));
}

Handle simple_space(const std::vector<hsize_t>& extent, const hsize_t* maximum) {
  return own(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), maximum), H5Sclose, "data space");
}

Handle scalar_space() {
  return own(H5Screate(H5S_SCALAR), H5Sclose, "data space");
}

std::vector<std::int64_t> extent_of(hid_t space) {
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) fail("data space");
  std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
  if (rank > 0 && H5Sget_simple_extent_dims(space, extent.data(), nullptr) < 0) fail("data space");
  return {extent.begin(), extent.end()};
}

std::int64_t product(const std::vector<std::int64_t>& extent, std::size_t first) {
  std::int64_t total = 1;
  for (std::size_t i = first; i < extent.size(); ++i) total *= extent[i];
  return total;
}

FixedTexts pack_fixed(const std::vector<std::string>& texts) {
  std::size_t width = 1;
  for (const std::string& text : texts) width = std::max(width, text.size());
  FixedTexts packed{own(H5Tcopy(H5T_C_S1), H5Tclose, "string type"), std::string(width * texts.size(), '\0')};
  check(H5Tset_size(packed.type.get(), width), "string type");
  check(H5Tset_strpad(packed.type.get(), H5T_STR_NULLPAD), "string type");
  check(H5Tset_cset(packed.type.get(), H5T_CSET_UTF8), "string type");
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i].copy(packed.bytes.data() + i * width, width);
  return packed;
}

std::vector<std::string> unpack_fixed(hid_t type, const std::vector<char>& buffer) {
  const std::size_t width = H5Tget_size(type);
  const bool padded_by_spaces = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
  std::vector<std::string> values;
  for (std::size_t at = 0; at < buffer.size(); at += width) {
    std::string value(buffer.data() + at, ::strnlen(buffer.data() + at, width));
    while (padded_by_spaces && !value.empty() && value.back() == ' ') value.pop_back();
    values.push_back(std::move(value));
  }
  return values;
}

int& descriptor_of(hid_t file) {
  void* descriptor = nullptr;
  check(H5Fget_vfd_handle(file, H5P_DEFAULT, &descriptor), "file descriptor");
  return *static_cast<int*>(descriptor);
}

void reserve(hid_t file, std::int64_t bytes) {
  hsize_t size = 0;
  check(H5Fget_filesize(file, &size), "file size");
  const auto needed = static_cast<std::int64_t>(size) + bytes + kMetadataMarginBytes;
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && static_cast<rlim_t>(needed) > limit.rlim_cur)
    throw Error(std::strerror(EFBIG), true);
  const std::int64_t generous = (needed / kReserveStepBytes + 1) * kReserveStepBytes;
  const int descriptor = descriptor_of(file);
  for (const std::int64_t end : {generous, needed}) {
    if (::fallocate(descriptor, FALLOC_FL_KEEP_SIZE, 0, end) == 0) return;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return;
  }
  throw Error(std::strerror(errno), true);
}

}  // namespace pulmo::h5::detail
