#pragma once

#include <hdf5.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "core/store/h5.h"

/// Shared by h5_file.cpp and h5_dataset.cpp: the only header that includes the HDF5 C library.
namespace pulmo::h5::detail {

static_assert(std::is_same_v<hid_t, Handle::Id>);

/// The process-wide lock, held during every call into the library. Recursive, because handles are closed inside
/// locked functions. Also switches off the library's own printing of errors.
class Lock {
 public:
  Lock();

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};

/// Throws Error from the library's error stack, which is cleared.
[[noreturn]] void fail(const std::string& action);
inline void check(herr_t result, const std::string& action) {
  if (result < 0) fail(action);
}
inline Handle own(hid_t id, Handle::Closer closer, const std::string& action) {
  if (id < 0) fail(action);
  return {id, closer};
}

hid_t memory_type(Element element);
/// Little endian, whatever the machine.
hid_t file_type(Element element);
std::int64_t bytes_of(Element element);

Handle simple_space(const std::vector<hsize_t>& extent, const hsize_t* maximum = nullptr);
Handle scalar_space();
std::vector<std::int64_t> extent_of(hid_t space);
std::int64_t product(const std::vector<std::int64_t>& extent, std::size_t first);

/// Texts as HDF5 stores them with a fixed length: UTF-8, padded with zero bytes to the longest. Not with variable
/// length: HDF5 keeps those in a heap without checksums, and a flipped bit there crashes version 1.10.
struct FixedTexts {
  Handle type;
  std::string bytes;
};
FixedTexts pack_fixed(const std::vector<std::string>& texts);
std::vector<std::string> unpack_fixed(hid_t type, const std::vector<char>& buffer);

/// Claims disk space for `bytes` more of this file, or throws Error. HDF5 1.10 cannot close a file that it failed to
/// write: it crashes when the process ends. So a full disk has to be met before each write, not in it. File systems
/// without fallocate are written without this net.
void reserve(hid_t file, std::int64_t bytes);
/// The descriptor behind an open file.
int& descriptor_of(hid_t file);

/// Strings of variable or fixed length, read by `read(memory type, buffer)`.
template <typename Read>
std::vector<std::string> read_strings(hid_t type, hid_t space, const Read& read) {
  if (H5Tget_class(type) != H5T_STRING) throw Error("it does not hold strings", false);
  const hssize_t points = H5Sget_simple_extent_npoints(space);
  if (points < 0) fail("data space");
  const auto count = static_cast<std::size_t>(points);
  if (count == 0) return {};
  if (H5Tis_variable_str(type) <= 0) {
    std::vector<char> buffer(count * H5Tget_size(type));
    check(read(type, buffer.data()), "strings");
    return unpack_fixed(type, buffer);
  }
  std::vector<char*> texts(count, nullptr);
  check(read(type, texts.data()), "strings");
  std::vector<std::string> values;
  for (const char* text : texts) values.emplace_back(text == nullptr ? "" : text);
  check(H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts.data()), "strings");
  return values;
}

}  // namespace pulmo::h5::detail
