#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// The little of HDF5 that shards need. Only h5_*.cpp talk to the C library: every call is made under one process-wide
/// lock (Debian's library is not thread-safe, not even for different files) and every failure becomes an Error; the
/// library itself prints nothing. All classes here are movable, and safe to use from several threads as far as their
/// functions are const.
namespace pulmo::h5 {

/// A call into HDF5 failed. what() is the innermost message of the library's error stack.
class Error : public std::runtime_error {
 public:
  Error(const std::string& message, bool environment) : std::runtime_error(message), environment_(environment) {}

  /// The operating system refused (disk full, I/O error, permission); otherwise the content of the file is at fault.
  bool environment() const noexcept { return environment_; }

 private:
  bool environment_;
};

/// Owns one HDF5 identifier; closes it at the end of the scope.
class Handle {
 public:
  using Id = std::int64_t;  ///< hid_t
  using Closer = int (*)(Id);

  Handle() = default;
  Handle(Id id, Closer closer) : id_(id), closer_(closer) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), closer_(other.closer_) {}
  Handle& operator=(Handle&& other) noexcept;

  Id get() const { return id_; }
  /// Closes now; a failure to close is ignored.
  void reset() noexcept;
  /// Gives the identifier away.
  Id release() { return std::exchange(id_, -1); }

 private:
  Id id_ = -1;
  Closer closer_ = nullptr;
};

/// The element types that we write.
enum class Element { kUint8, kUint16, kFloat64 };
template <typename T>
constexpr Element element_of();
template <>
constexpr Element element_of<std::uint8_t>() {
  return Element::kUint8;
}
template <>
constexpr Element element_of<std::uint16_t>() {
  return Element::kUint16;
}
template <>
constexpr Element element_of<double>() {
  return Element::kFloat64;
}

/// A data set whose first dimension counts samples: a row is all that belongs to one of them.
class Dataset {
 public:
  explicit Dataset(Handle handle);

  /// (N, ...), as it stood at opening plus what append() added.
  const std::vector<std::int64_t>& extent() const { return extent_; }
  /// The type in the file: "uint8", "int64", "float64", "string", ... or "other".
  std::string type() const;
  std::int64_t row_elements() const;

  /// Adds one row of row_elements() values to a data set made by File::create_rows().
  template <typename T>
  void append(std::span<const T> row) {
    append_row(element_of<T>(), row.data());
  }
  /// Reads row `index` into `out`, which holds row_elements() values. The checksum of the chunk is checked.
  template <typename T>
  void read(std::int64_t index, std::span<T> out) const {
    read_row(index, element_of<T>(), out.data());
  }
  template <typename T>
  std::vector<T> read_all() const {
    std::vector<T> values(static_cast<std::size_t>(extent_[0] * row_elements()));
    read_whole(element_of<T>(), values.data());
    return values;
  }
  /// Of a one-dimensional data set of strings, of variable or fixed length.
  std::vector<std::string> read_strings() const;

 private:
  void append_row(Element element, const void* row);
  void read_row(std::int64_t index, Element element, void* out) const;
  void read_whole(Element element, void* out) const;
  Handle row_space(std::int64_t index) const;

  Handle handle_;
  std::vector<std::int64_t> extent_;
};

struct RowOptions {
  std::vector<std::int64_t> row_extent;  ///< of one sample; one chunk holds one sample
  Element element = Element::kUint8;
  int deflate_level = 0;  ///< 0: none; otherwise shuffle and deflate
};

/// An HDF5 file. Byte for byte the same content gives the same bytes: no time stamps are stored.
class File {
 public:
  /// Overwrites an existing file.
  static File create(const std::filesystem::path& path);
  /// Read-only, without file locks: a shard never changes once it has its name.
  static File open(const std::filesystem::path& path);
  File(File&&) noexcept = default;
  File& operator=(File&&) noexcept = default;
  ~File();

  /// Writes everything and closes. Data sets of this file must not be used any more.
  void close();

  /// An empty data set (0, row_extent...) that grows by append(), with a Fletcher-32 checksum for each row.
  Dataset create_rows(const std::string& name, const RowOptions& options);
  /// A one-dimensional data set, with a checksum.
  template <typename T>
  void write(const std::string& name, std::span<const T> values) {
    write_vector(name, element_of<T>(), values.data(), values.size());
  }
  /// A one-dimensional data set of UTF-8 strings, padded to the longest, with a checksum.
  void write_strings(const std::string& name, const std::vector<std::string>& values);

  bool has_dataset(const std::string& name) const;
  Dataset dataset(const std::string& name) const;

  void set_attribute(const std::string& name, std::int64_t value);
  void set_attribute(const std::string& name, const std::string& value);
  void set_attribute(const std::string& name, const std::vector<std::string>& values);
  bool has_attribute(const std::string& name) const;
  std::int64_t integer_attribute(const std::string& name) const;
  /// A scalar reads as one text.
  std::vector<std::string> text_attribute(const std::string& name) const;

 private:
  explicit File(Handle handle, bool writing) : handle_(std::move(handle)), writing_(writing) {}
  void write_vector(const std::string& name, Element element, const void* values, std::size_t count);
  void write_texts(const std::string& name, const std::vector<std::string>& values, bool scalar);

  Handle handle_;
  bool writing_ = false;
};

}  // namespace pulmo::h5
