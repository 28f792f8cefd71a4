#include "core/store/h5_detail.h"

namespace pulmo::h5 {

using namespace detail;

namespace {

/// A row in memory, (1, ...) like its part of the file: between selections of one shape HDF5 copies whole runs,
/// otherwise it goes element by element, which is twenty times slower.
Handle one_row(const std::vector<std::int64_t>& extent) {
  std::vector<hsize_t> row(extent.begin(), extent.end());
  row[0] = 1;
  return simple_space(row);
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
  const Handle source = one_row(extent_);
  check(H5Dwrite(handle_.get(), memory_type(element), source.get(), target.get(), H5P_DEFAULT, row), "write");
  ++extent_[0];
}

void Dataset::read_row(std::int64_t index, Element element, void* out) const {
  const Lock lock;
  const Handle source = row_space(index);
  const Handle target = one_row(extent_);
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
  return detail::read_strings(type.get(), space.get(), [this](hid_t memory, void* out) {
    return H5Dread(handle_.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
  });
}

}  // namespace pulmo::h5
