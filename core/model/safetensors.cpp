#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/model/weights_formats.h"

namespace pulmo {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr std::size_t kMaxDimensions = 16;

const std::map<std::string, at::ScalarType>& dtypes() {
  static const std::map<std::string, at::ScalarType> table = {
      {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}, {"I64", at::kLong},
      {"I32", at::kInt},    {"I16", at::kShort}, {"I8", at::kChar},  {"U8", at::kByte},       {"BOOL", at::kBool}};
  return table;
}

struct Entry {
  at::ScalarType dtype = at::kFloat;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Bytes that the shape takes; 0 when they cannot be counted.
std::uint64_t byte_count(const Entry& entry, std::uint64_t limit) {
  std::uint64_t count = at::elementSize(entry.dtype);
  for (const std::int64_t side : entry.shape) {
    if (side <= 0) return 0;
    if (count > limit / static_cast<std::uint64_t>(side)) return UINT64_MAX;
    count *= static_cast<std::uint64_t>(side);
  }
  return count;
}

Entry read_entry(const json& value, const std::string& name, std::uint64_t data_bytes, const std::string& file) {
  Entry entry;
  try {
    const auto type = dtypes().find(value.at("dtype").get<std::string>());
    if (type == dtypes().end())
      refuse_weights(file, "tensor " + name + " has the unknown type " + value.at("dtype").dump());
    entry.dtype = type->second;
    entry.shape = value.at("shape").get<std::vector<std::int64_t>>();
    entry.begin = value.at("data_offsets").at(0).get<std::uint64_t>();
    entry.end = value.at("data_offsets").at(1).get<std::uint64_t>();
  } catch (const json::exception&) {
    refuse_weights(file, "tensor " + name + " has no usable dtype, shape and data_offsets");
  }
  const bool outside = entry.begin > entry.end || entry.end > data_bytes;
  const bool negative = std::any_of(entry.shape.begin(), entry.shape.end(), [](std::int64_t n) { return n < 0; });
  if (outside || negative || entry.shape.size() > kMaxDimensions ||
      byte_count(entry, data_bytes) != entry.end - entry.begin) {
    refuse_weights(file, "tensor " + name + " does not fit its shape or lies outside the file: is it truncated?");
  }
  return entry;
}

torch::Tensor tensor_of(const Entry& entry, ByteView data) {
  torch::Tensor tensor = torch::empty(entry.shape, torch::TensorOptions(entry.dtype));
  if (entry.end > entry.begin) std::memcpy(tensor.data_ptr(), data.data() + entry.begin, entry.end - entry.begin);
  return tensor;
}

std::map<std::string, std::string> read_notes(const json& header, const std::string& file) {
  const auto notes = header.find("__metadata__");
  if (notes == header.end()) return {};
  try {
    return notes->get<std::map<std::string, std::string>>();
  } catch (const json::exception&) {
    refuse_weights(file, "__metadata__ must map text to text");
  }
}

json read_header(ByteView bytes, std::uint64_t length, const std::string& file) {
  json header = json::parse(as_text(bytes.subspan(8, length)), nullptr, false);
  if (!header.is_object()) refuse_weights(file, "its header is not a JSON object");
  return header;
}

}  // namespace

Weights parse_safetensors(ByteView bytes, const std::string& file) {
  std::uint64_t length = 0;
  if (bytes.size() < 8) refuse_weights(file, "too short for safetensors");
  for (std::size_t i = 8; i-- > 0;) length = length << 8U | std::to_integer<std::uint64_t>(bytes[i]);
  if (length > kMaxHeaderBytes || length > bytes.size() - 8) {
    refuse_weights(file,
                   "its header of " + std::to_string(length) + " bytes is longer than the file: is it truncated?");
  }
  const json header = read_header(bytes, length, file);
  const ByteView data = bytes.subspan(8 + length);
  Weights weights{{}, read_notes(header, file)};
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") continue;
    weights.tensors[name] = tensor_of(read_entry(value, name, data.size(), file), data);
  }
  if (weights.tensors.empty()) refuse_weights(file, "it holds no tensor");
  return weights;
}

}  // namespace pulmo
