#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/model/pickle.h"
#include "core/model/weights_formats.h"
#include "core/support/error.h"
#include "core/support/zip_archive.h"

namespace pulmo {
namespace {

constexpr std::size_t kMaxDimensions = 16;
// Elements of a file that strides make of fewer stored ones.
constexpr std::int64_t kMostRepeated = std::int64_t{1} << 20;

const std::map<std::string, at::ScalarType>& storage_types() {
  static const std::map<std::string, at::ScalarType> table = {
      {"torch DoubleStorage", at::kDouble},     {"torch FloatStorage", at::kFloat}, {"torch HalfStorage", at::kHalf},
      {"torch BFloat16Storage", at::kBFloat16}, {"torch LongStorage", at::kLong},   {"torch IntStorage", at::kInt},
      {"torch ShortStorage", at::kShort},       {"torch CharStorage", at::kChar},   {"torch ByteStorage", at::kByte},
      {"torch BoolStorage", at::kBool}};
  return table;
}

/// Makes tensors from their descriptions and the archive's storages.
class TensorReader {
 public:
  TensorReader(ZipArchive& archive, std::string root, const std::string& file)
      : archive_(archive), root_(std::move(root)), file_(file) {}

  torch::Tensor read(const std::string& name, const PickleValue& tensor) {
    const PickleValue& storage = *tensor.items[0];
    if (storage.kind != PickleKind::kStorage || storage.items.size() < 5) refuse(name, "has no storage");
    const auto type = storage_types().find(storage.items[1]->text);
    if (type == storage_types().end()) refuse(name, "has the unknown storage " + storage.items[1]->text);
    const Bytes& bytes = storage_bytes(storage.items[2]->text);
    const std::int64_t offset = tensor.items[1]->integer;
    const std::vector<std::int64_t> sizes = integers(*tensor.items[2]);
    const std::vector<std::int64_t> strides = integers(*tensor.items[3]);
    const auto elements = static_cast<std::int64_t>(bytes.size() / at::elementSize(type->second));
    if (!fits(offset, sizes, strides, elements)) refuse(name, "lies outside its storage");
    if (!takes_room(sizes, elements)) {
      refuse(name, "repeats its elements, with others of the file to over " + std::to_string(kMostRepeated) +
                       ": save it with .contiguous()");
    }
    const torch::TensorOptions options(type->second);
    if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return torch::empty(sizes, options);
    auto* first =
        const_cast<std::byte*>(bytes.data()) + static_cast<std::size_t>(offset) * at::elementSize(type->second);
    return at::from_blob(first, sizes, strides, options).clone(at::MemoryFormat::Contiguous);
  }

 private:
  [[noreturn]] void refuse(const std::string& name, const std::string& why) const {
    refuse_weights(file_, "tensor " + name + " " + why);
  }

  const Bytes& storage_bytes(const std::string& key) {
    const auto known = storages_.find(key);
    if (known != storages_.end()) return known->second;
    return storages_[key] = archive_.read(archive_.find(root_ + "data/" + key));
  }

  static std::vector<std::int64_t> integers(const PickleValue& sequence) {
    std::vector<std::int64_t> values;
    for (const PicklePtr& item : sequence.items) values.push_back(item->integer);
    return values;
  }

  /// Whether every element lies among the storage's; nothing overflows on the way.
  static bool fits(std::int64_t offset, const std::vector<std::int64_t>& sizes,
                   const std::vector<std::int64_t>& strides, std::int64_t elements) {
    if (sizes.size() != strides.size() || sizes.size() > kMaxDimensions) return false;
    if (std::any_of(sizes.begin(), sizes.end(), [](std::int64_t size) { return size < 0; })) return false;
    if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) return true;
    std::int64_t left = elements - 1 - offset;  // how far the last element may be from the first
    if (offset < 0 || left < 0) return false;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (strides[i] < 0) return false;
      if (sizes[i] == 1 || strides[i] == 0) continue;
      if (sizes[i] - 1 > left / strides[i]) return false;
      left -= (sizes[i] - 1) * strides[i];
    }
    return true;
  }

  /// Whether there is room for so many elements. Strides may repeat what is stored, or let it overlap.
  bool takes_room(const std::vector<std::int64_t>& sizes, std::int64_t elements) {
    std::int64_t product = 1;
    for (const std::int64_t size : sizes) {
      if (size != 0 && product > (elements + repeated_left_) / size) return false;
      product *= size;
    }
    repeated_left_ -= std::max<std::int64_t>(0, product - elements);
    return true;
  }

  ZipArchive& archive_;
  std::string root_;
  const std::string& file_;
  std::int64_t repeated_left_ = kMostRepeated;
  std::map<std::string, Bytes> storages_;
};

/// The mapping of names to tensors: the value itself, or its entry "state_dict" or "model".
const PickleValue& state_of(const PickleValue& top, const std::string& file) {
  if (top.kind != PickleKind::kMapping) refuse_weights(file, "it holds no state_dict; save model.state_dict()");
  for (const auto& [key, value] : top.pairs) {
    const bool wrapped = key->text == "state_dict" || key->text == "model";
    if (wrapped && value->kind == PickleKind::kMapping) return *value;
  }
  return top;
}

std::string root_of(const ZipArchive& archive, const std::string& file) {
  constexpr std::string_view kPickle = "data.pkl";
  for (const ZipEntry& entry : archive.entries()) {
    if (entry.name.ends_with(kPickle)) return entry.name.substr(0, entry.name.size() - kPickle.size());
  }
  refuse_weights(file, "a zip archive without data.pkl: it was not written by torch.save()");
}

}  // namespace

Weights parse_torch_archive(ByteView bytes, const std::string& file) {
  try {
    ZipArchive archive(bytes, file, {.max_entry_bytes = bytes.size()});  // PyTorch stores without compression
    const std::string root = root_of(archive, file);
    const Bytes pickle = archive.read(archive.find(root + "data.pkl"));
    const PicklePtr top = read_pickle(pickle);
    TensorReader reader(archive, root, file);
    Weights weights;
    for (const auto& [key, value] : state_of(*top, file).pairs) {
      if (value->kind == PickleKind::kTensor) weights.tensors[key->text] = reader.read(key->text, *value);
    }
    if (weights.tensors.empty()) refuse_weights(file, "it holds no tensor; save model.state_dict()");
    return weights;
  } catch (const InvalidInput& error) {
    if (error.reason() == "weights") throw;
    refuse_weights(file, error.what());
  }
}

}  // namespace pulmo
