#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/store/h5_detail.h"

namespace pulmo::h5 {

using namespace detail;

namespace {

constexpr std::int64_t kDefaultCacheBytes = 1 << 20;  // HDF5's own default for each data set

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

struct Column {
  hid_t stored, in_memory;
  const void* values;
  std::size_t count;
};

// One chunk, so that one checksum covers it.
void write_column(hid_t file, const std::string& name, const Column& column) {
  reserve(file, static_cast<std::int64_t>(column.count * H5Tget_size(column.stored)));
  const Handle creation = dataset_creation();
  const hsize_t chunk = std::max<hsize_t>(column.count, 1);
  check(H5Pset_chunk(creation.get(), 1, &chunk), name);
  check(H5Pset_fletcher32(creation.get()), name);
  const Handle space = simple_space({column.count});
  const Handle data =
      own(H5Dcreate2(file, name.c_str(), column.stored, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
          H5Dclose, name);
  check(H5Dwrite(data.get(), column.in_memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, column.values), name);
}

}  // namespace

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
  try {
    if (memory >= 0) ::dup2(memory, descriptor_of(handle_.get()));
  } catch (const Error&) {  // then it is flushed to the disk after all
  }
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
    if (end < 0 || ::ftruncate(descriptor, end) != 0) throw Error(std::strerror(errno), true);  // frees the reserve
  }
  check(H5Fclose(handle_.release()), "close");
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
  write_column(handle_.get(), name, {file_type(element), memory_type(element), values, count});
}

void File::write_strings(const std::string& name, const std::vector<std::string>& values) {
  const Lock lock;
  const FixedTexts texts = pack_fixed(values);
  write_column(handle_.get(), name, {texts.type.get(), texts.type.get(), texts.bytes.data(), values.size()});
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
  const Handle space = scalar_space();
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
  const FixedTexts texts = pack_fixed(values);
  const Handle space = scalar ? scalar_space() : simple_space({values.size()});
  const Handle attribute = own(
      H5Acreate2(handle_.get(), name.c_str(), texts.type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, name);
  check(H5Awrite(attribute.get(), texts.type.get(), texts.bytes.data()), name);
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
  return read_strings(type.get(), space.get(),
                      [&attribute](hid_t memory, void* out) { return H5Aread(attribute.get(), memory, out); });
}

}  // namespace pulmo::h5
