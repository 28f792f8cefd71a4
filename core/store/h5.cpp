#include "core/store/h5.h"

#include <fcntl.h>
#include <hdf5.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <type_traits>

namespace pulmo::h5 {
namespace {

static_assert(std::is_same_v<hid_t, Handle::Id>);

constexpr std::int64_t kDefaultCacheBytes = 1 << 20;     // HDF5's own default for each data set
constexpr std::int64_t kReserveStepBytes = 8 << 20;      // disk space is claimed in steps of this size
constexpr std::int64_t kMetadataMarginBytes = 64 << 10;  // what HDF5 itself needs beside the data of one call

// Recursive, because handles are closed inside locked functions.
class Lock {
 public:
  Lock() : lock_(mutex()) {
    thread_local bool silenced = false;  // the error stack is a thread's own where the library is built so
    if (!silenced) H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    silenced = true;
  }

 private:
  static std::recursive_mutex& mutex() {
    static std::recursive_mutex instance;
    return instance;
  }
  std::lock_guard<std::recursive_mutex> lock_;
};

herr_t keep_innermost(unsigned position, const H5E_error2_t* error, void* out) {
  if (position == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
  return 0;
}

// The drivers' messages hold addresses and times; of those only the system's own words are kept.
[[noreturn]] void fail(const std::string& action) {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &reason);
  H5Eclear2(H5E_DEFAULT);
  constexpr std::string_view kSystem = "error message = '";
  const auto begin = reason.find(kSystem);
  if (begin == std::string::npos) throw Error(action + ": " + (reason.empty() ? "unknown error" : reason), false);
  const auto from = begin + kSystem.size();
  throw Error(action + ": " + reason.substr(from, reason.find('\'', from) - from), true);
}

void check(herr_t result, const std::string& action) {
  if (result < 0) fail(action);
}

Handle own(hid_t id, Handle::Closer closer, const std::string& action) {
  if (id < 0) fail(action);
  return {id, closer};
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

Handle simple_space(const std::vector<hsize_t>& extent, const hsize_t* maximum = nullptr) {
  return own(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), maximum), H5Sclose, "data space");
}

Handle text_type() {
  Handle type = own(H5Tcopy(H5T_C_S1), H5Tclose, "string type");
  check(H5Tset_size(type.get(), H5T_VARIABLE), "string type");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "string type");
  return type;
}

// Without time stamps the same samples give the same bytes, so that digests can be compared between runs.
Handle dataset_creation() {
  Handle list = own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "creation properties");
  check(H5Pset_obj_track_times(list.get(), false), "creation properties");
  return list;
}

// HDF5 reads and writes filtered chunks whole. A cache smaller than one chunk would be bypassed piece by piece.
Handle chunk_cache(std::int64_t bytes) {
  Handle list = own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, "access properties");
  check(H5Pset_chunk_cache(list.get(), 521, static_cast<std::size_t>(bytes), 1.0), "access properties");
  return list;
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

// Reads `count` strings of a data set or attribute through `read(memory type, buffer)`.
template <typename Read>
std::vector<std::string> strings_from(hid_t type, hid_t space, std::size_t count, const Read& read) {
  if (H5Tget_class(type) != H5T_STRING) throw Error("it does not hold strings", false);
  std::vector<std::string> values(count);
  if (count == 0) return values;
  if (H5Tis_variable_str(type) > 0) {
    std::vector<char*> texts(count, nullptr);
    check(read(type, texts.data()), "strings");
    for (std::size_t i = 0; i < count; ++i) values[i] = texts[i] == nullptr ? "" : texts[i];
    check(H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts.data()), "strings");
    return values;
  }
  const std::size_t width = H5Tget_size(type);
  std::vector<char> buffer(count * width);
  check(read(type, buffer.data()), "strings");
  for (std::size_t i = 0; i < count; ++i) {
    const char* text = buffer.data() + i * width;
    values[i].assign(text, ::strnlen(text, width));
    while (H5Tget_strpad(type) == H5T_STR_SPACEPAD && !values[i].empty() && values[i].back() == ' ')
      values[i].pop_back();
  }
  return values;
}

int descriptor_of(hid_t file) {
  void* descriptor = nullptr;
  check(H5Fget_vfd_handle(file, H5P_DEFAULT, &descriptor), "file descriptor");
  return *static_cast<int*>(descriptor);
}

// HDF5 1.10 cannot close a file that it failed to write: it crashes at exit. So space is claimed before each write,
// and a lack of it is found here instead. File systems without fallocate are written without this net.
void reserve(hid_t file, std::int64_t bytes) {
  hsize_t size = 0;
  check(H5Fget_filesize(file, &size), "file size");
  const auto needed = static_cast<std::int64_t>(size) + bytes + kMetadataMarginBytes;
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && static_cast<rlim_t>(needed) > limit.rlim_cur)
    throw Error(std::strerror(EFBIG), true);
  const std::int64_t end = (needed / kReserveStepBytes + 1) * kReserveStepBytes;
  const int descriptor = descriptor_of(file);
  for (const std::int64_t wanted : {end, needed}) {
    if (::fallocate(descriptor, FALLOC_FL_KEEP_SIZE, 0, wanted) == 0) return;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return;
  }
  throw Error(std::strerror(errno), true);
}

}  // namespace

Handle& Handle::operator=(Handle&& other) noexcept {
  if (this != &other) {
    reset();
    id_ = std::exchange(other.id_, -1);
    closer_ = other.closer_;
  }
  return *this;
}

void Handle::reset() noexcept {
  if (id_ < 0) return;
  const Lock lock;
  closer_(std::exchange(id_, -1));
  H5Eclear2(H5E_DEFAULT);
}

Dataset::Dataset(Handle handle) : handle_(std::move(handle)) {
  const Lock lock;
  extent_ = extent_of(own(H5Dget_space(handle_.get()), H5Sclose, "data space").get());
}

std::string Dataset::type() const {
  const Lock lock;
  const Handle type = own(H5Dget_type(handle_.get()), H5Tclose, "type");
  const std::string bits = std::to_string(8 * H5Tget_size(type.get()));
  switch (H5Tget_class(type.get())) {
    case H5T_INTEGER: return (H5Tget_sign(type.get()) == H5T_SGN_NONE ? "uint" : "int") + bits;
    case H5T_FLOAT: return "float" + bits;
    case H5T_STRING: return "string";
    default: return "other";
  }
}

std::int64_t Dataset::row_elements() const {
  return product(extent_, 1);
}

Handle Dataset::row_space(std::int64_t index) const {
  Handle space = own(H5Dget_space(handle_.get()), H5Sclose, "data space");
  std::vector<hsize_t> start(extent_.size(), 0);
  std::vector<hsize_t> count(extent_.begin(), extent_.end());
  start[0] = static_cast<hsize_t>(index);
  count[0] = 1;
  check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), "selection");
  return space;
}

void Dataset::append_row(Element element, const void* row) {
  const Lock lock;
  const Handle file = own(H5Iget_file_id(handle_.get()), H5Fclose, "file");
  reserve(file.get(), row_elements() * bytes_of(element));
  std::vector<hsize_t> extent(extent_.begin(), extent_.end());
  ++extent[0];
  check(H5Dset_extent(handle_.get(), extent.data()), "extend");
  const Handle target = row_space(extent_[0]);
  const Handle source = simple_space({static_cast<hsize_t>(row_elements())});
  check(H5Dwrite(handle_.get(), memory_type(element), source.get(), target.get(), H5P_DEFAULT, row), "write");
  ++extent_[0];
}

void Dataset::read_row(std::int64_t index, Element element, void* out) const {
  const Lock lock;
  const Handle source = row_space(index);
  const Handle target = simple_space({static_cast<hsize_t>(row_elements())});
  check(H5Dread(handle_.get(), memory_type(element), target.get(), source.get(), H5P_DEFAULT, out), "read");
}

void Dataset::read_whole(Element element, void* out) const {
  const Lock lock;
  check(H5Dread(handle_.get(), memory_type(element), H5S_ALL, H5S_ALL, H5P_DEFAULT, out), "read");
}

std::vector<std::string> Dataset::read_strings() const {
  const Lock lock;
  const Handle type = own(H5Dget_type(handle_.get()), H5Tclose, "type");
  const Handle space = own(H5Dget_space(handle_.get()), H5Sclose, "data space");
  return strings_from(
      type.get(), space.get(), static_cast<std::size_t>(product(extent_, 0)),
      [this](hid_t memory, void* out) { return H5Dread(handle_.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out); });
}

// The format of HDF5 1.10 has checksums on its metadata too; the older one has none.
File File::create(const std::filesystem::path& path) {
  const Lock lock;
  const Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "access properties");
  check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110), "access properties");
  check(H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG), "access properties");
  check(H5Pset_file_locking(access.get(), false, true), "access properties");
  const Handle creation = own(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "creation properties");
  check(H5Pset_obj_track_times(creation.get(), false), "creation properties");
  return File(own(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose, "create"), true);
}

File File::open(const std::filesystem::path& path) {
  const Lock lock;
  const Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "access properties");
  check(H5Pset_file_locking(access.get(), false, true), "access properties");
  return File(own(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose, "open"), false);
}

// A file that is given up is flushed into memory instead of the disk, which may be the reason for giving up.
File::~File() {
  if (!writing_ || handle_.get() < 0) return;
  const Lock lock;
  const int memory = ::memfd_create("pulmo-abandoned", MFD_CLOEXEC);
  void* descriptor = nullptr;
  if (memory >= 0 && H5Fget_vfd_handle(handle_.get(), H5P_DEFAULT, &descriptor) >= 0)
    ::dup2(memory, *static_cast<int*>(descriptor));
  handle_.reset();
  if (memory >= 0) ::close(memory);
}

void File::close() {
  const Lock lock;
  if (writing_) {
    reserve(handle_.get(), 0);
    check(H5Fflush(handle_.get(), H5F_SCOPE_GLOBAL), "flush");
    const int descriptor = descriptor_of(handle_.get());
    const off_t end = ::lseek(descriptor, 0, SEEK_END);
    if (end >= 0 && ::ftruncate(descriptor, end) != 0) throw Error(std::strerror(errno), true);  // frees the reserve
  }
  const Handle::Id id = handle_.release();
  check(H5Fclose(id), "close");
}

Dataset File::create_rows(const std::string& name, const RowOptions& options) {
  const Lock lock;
  std::vector<hsize_t> extent(options.row_extent.begin(), options.row_extent.end());
  extent.insert(extent.begin(), 0);
  std::vector<hsize_t> maximum = extent;
  maximum[0] = H5S_UNLIMITED;
  std::vector<hsize_t> chunk = extent;
  chunk[0] = 1;
  const Handle creation = dataset_creation();
  check(H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()), name);
  if (options.deflate_level > 0) {
    check(H5Pset_shuffle(creation.get()), name);
    check(H5Pset_deflate(creation.get(), static_cast<unsigned>(options.deflate_level)), name);
  }
  check(H5Pset_fletcher32(creation.get()), name);
  const Handle space = simple_space(extent, maximum.data());
  const Handle access = chunk_cache(0);  // each append writes its chunk at once, so that a full disk is met there
  return Dataset(own(H5Dcreate2(handle_.get(), name.c_str(), file_type(options.element), space.get(), H5P_DEFAULT,
                                creation.get(), access.get()),
                     H5Dclose, name));
}

void File::write_vector(const std::string& name, Element element, const void* values, std::size_t count) {
  const Lock lock;
  reserve(handle_.get(), static_cast<std::int64_t>(count) * bytes_of(element));
  const Handle creation = dataset_creation();
  const hsize_t chunk = std::max<hsize_t>(count, 1);
  check(H5Pset_chunk(creation.get(), 1, &chunk), name);
  check(H5Pset_fletcher32(creation.get()), name);
  const Handle space = simple_space({count});
  const Handle data = own(H5Dcreate2(handle_.get(), name.c_str(), file_type(element), space.get(), H5P_DEFAULT,
                                     creation.get(), H5P_DEFAULT),
                          H5Dclose, name);
  check(H5Dwrite(data.get(), memory_type(element), H5S_ALL, H5S_ALL, H5P_DEFAULT, values), name);
}

void File::write_strings(const std::string& name, const std::vector<std::string>& values) {
  const Lock lock;
  std::vector<const char*> texts;
  std::int64_t bytes = 0;
  for (const std::string& value : values) {
    texts.push_back(value.c_str());
    bytes += 2 * static_cast<std::int64_t>(value.size()) + 64;  // with its entry in HDF5's heap and in the data set
  }
  reserve(handle_.get(), bytes);
  const Handle type = text_type();
  const Handle space = simple_space({values.size()});
  const Handle creation = dataset_creation();
  const Handle data =
      own(H5Dcreate2(handle_.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
          H5Dclose, name);
  check(H5Dwrite(data.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, texts.data()), name);
}

bool File::has_dataset(const std::string& name) const {
  const Lock lock;
  if (H5Lexists(handle_.get(), name.c_str(), H5P_DEFAULT) <= 0) return false;
  const Handle object(H5Oopen(handle_.get(), name.c_str(), H5P_DEFAULT), H5Oclose);
  return object.get() >= 0 && H5Iget_type(object.get()) == H5I_DATASET;
}

Dataset File::dataset(const std::string& name) const {
  const Lock lock;
  Handle handle = own(H5Dopen2(handle_.get(), name.c_str(), H5P_DEFAULT), H5Dclose, name);
  const Handle type = own(H5Dget_type(handle.get()), H5Tclose, name);
  const auto extent = extent_of(own(H5Dget_space(handle.get()), H5Sclose, name).get());
  const std::int64_t row_bytes = product(extent, 1) * static_cast<std::int64_t>(H5Tget_size(type.get()));
  if (row_bytes <= kDefaultCacheBytes) return Dataset(std::move(handle));
  const Handle access = chunk_cache(row_bytes);
  handle.reset();  // the cache is made with the first handle
  return Dataset(own(H5Dopen2(handle_.get(), name.c_str(), access.get()), H5Dclose, name));
}

void File::set_attribute(const std::string& name, std::int64_t value) {
  const Lock lock;
  const Handle space = own(H5Screate(H5S_SCALAR), H5Sclose, name);
  const Handle attribute = own(
      H5Acreate2(handle_.get(), name.c_str(), H5T_STD_I64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, name);
  check(H5Awrite(attribute.get(), H5T_NATIVE_INT64, &value), name);
}

void File::set_attribute(const std::string& name, const std::string& value) {
  write_texts(name, {value}, true);
}

void File::set_attribute(const std::string& name, const std::vector<std::string>& values) {
  write_texts(name, values, false);
}

void File::write_texts(const std::string& name, const std::vector<std::string>& values, bool scalar) {
  const Lock lock;
  std::vector<const char*> texts;
  for (const std::string& value : values) texts.push_back(value.c_str());
  const Handle type = text_type();
  const Handle space = scalar ? own(H5Screate(H5S_SCALAR), H5Sclose, name) : simple_space({values.size()});
  const Handle attribute =
      own(H5Acreate2(handle_.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, name);
  check(H5Awrite(attribute.get(), type.get(), texts.data()), name);
}

bool File::has_attribute(const std::string& name) const {
  const Lock lock;
  return H5Aexists(handle_.get(), name.c_str()) > 0;
}

std::int64_t File::integer_attribute(const std::string& name) const {
  const Lock lock;
  const Handle attribute = own(H5Aopen(handle_.get(), name.c_str(), H5P_DEFAULT), H5Aclose, name);
  const Handle type = own(H5Aget_type(attribute.get()), H5Tclose, name);
  const Handle space = own(H5Aget_space(attribute.get()), H5Sclose, name);
  if (H5Tget_class(type.get()) != H5T_INTEGER || H5Sget_simple_extent_npoints(space.get()) != 1)
    throw Error("it is not one integer", false);
  std::int64_t value = 0;
  check(H5Aread(attribute.get(), H5T_NATIVE_INT64, &value), name);
  return value;
}

std::vector<std::string> File::text_attribute(const std::string& name) const {
  const Lock lock;
  const Handle attribute = own(H5Aopen(handle_.get(), name.c_str(), H5P_DEFAULT), H5Aclose, name);
  const Handle type = own(H5Aget_type(attribute.get()), H5Tclose, name);
  const Handle space = own(H5Aget_space(attribute.get()), H5Sclose, name);
  const auto count = H5Sget_simple_extent_npoints(space.get());
  if (count < 0) fail(name);
  return strings_from(type.get(), space.get(), static_cast<std::size_t>(count),
                      [&attribute](hid_t memory, void* out) { return H5Aread(attribute.get(), memory, out); });
}

}  // namespace pulmo::h5
