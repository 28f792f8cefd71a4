#include "core/model/bundle.h"

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <fstream>

#include "core/model/foreign_metadata.h"
#include "core/model/metadata_json.h"
#include "core/model/script_module.h"
#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "core/support/version.h"
#include "core/support/zip_archive.h"

namespace pulmo {
namespace {

constexpr const char* kMetadataName = "pulmo.json";
constexpr const char* kDamaged = "not a TorchScript file, or damaged; export it again or copy it anew";

/// A LibTorch built with LLVM (Debian 13's) would compile loops of its own for each model and shape, which takes
/// minutes and gains nothing where oneDNN does the work.
void leave_loops_unfused() {
  [[maybe_unused]] static const bool once = (torch::jit::setTensorExprFuserEnabled(false), true);
}

/// Lets LibTorch read the bytes that the digest was made of, without a copy.
class BytesAdapter final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit BytesAdapter(ByteView bytes) : bytes_(bytes) {}
  std::size_t size() const override { return bytes_.size(); }
  std::size_t read(std::uint64_t position, void* buffer, std::size_t count, const char* what) const override {
    static_cast<void>(what);
    if (position >= bytes_.size()) return 0;
    const std::size_t size = std::min<std::size_t>(count, bytes_.size() - position);
    std::memcpy(buffer, bytes_.data() + position, size);
    return size;
  }

 private:
  ByteView bytes_;
};

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw InvalidInput("bundle", "bundle " + path.string() + ": " + why);
}

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, size};
}

torch::jit::Module load_module(const std::filesystem::path& path, ByteView bytes, std::string& metadata_json) {
  if (!is_intact_stored_zip(bytes)) refuse(path, kDamaged);
  torch::jit::ExtraFilesMap extra{{kMetadataName, ""}};
  try {
    torch::jit::Module module = torch::jit::load(std::make_shared<BytesAdapter>(bytes), at::kCPU, extra);
    metadata_json = extra[kMetadataName];
    return module;
  } catch (const std::exception&) {  // c10::Error, and what the parsers below it throw
    refuse(path, kDamaged);
  }
}

/// Of a TorchScript file that pulmo-train did not write.
BundleMetadata metadata_beside(const std::filesystem::path& path) {
  const std::filesystem::path beside = path.string() + ".yaml";
  if (!std::filesystem::exists(beside)) {
    refuse(path, "a TorchScript file without pulmo.json: written elsewhere, it needs " + beside.filename().string() +
                     " beside it (docs/models.md)");
  }
  try {
    return read_foreign_metadata(beside);
  } catch (const InvalidInput& error) {
    refuse(path, error.what());
  }
}

/// Some kernels make 0 of what is no number, so that predictions alone would not tell.
void require_numbers(const torch::jit::Module& module, const std::filesystem::path& path) {
  const auto check = [&](const torch::Tensor& weight) {
    if (!weight.is_floating_point() || !weight.isnan().any().item<bool>()) return;
    refuse(path, "its weights hold values that are no numbers: damaged, or the training diverged");
  };
  for (const torch::Tensor& weight : module.parameters()) check(weight);
  for (const torch::Tensor& buffer : module.buffers()) check(buffer);
}

/// Finds or makes the submodule of a dotted prefix ("layer1.conv1").
torch::jit::Module submodule(torch::jit::Module root, const std::string& prefix) {
  if (prefix.empty()) return root;
  const std::size_t dot = prefix.find('.');
  const std::string head = prefix.substr(0, dot);
  if (!root.hasattr(head)) {
    root.register_module(head, make_script_module(head, root._ivalue()->compilation_unit()));
  }
  const torch::jit::Module child(root.attr(head).toModule());
  return dot == std::string::npos ? child : submodule(child, prefix.substr(dot + 1));
}

void copy_tensors(const Network& network, torch::jit::Module& root) {
  const auto copy_of = [](const torch::Tensor& tensor) {
    const torch::Tensor plain = tensor.detach().to(at::kCPU);
    return (plain.is_floating_point() ? plain.to(at::kFloat) : plain).clone(at::MemoryFormat::Contiguous);
  };
  const auto place = [&](const std::string& path, const torch::Tensor& tensor, bool is_buffer) {
    const std::size_t dot = path.rfind('.');
    torch::jit::Module owner = submodule(root, dot == std::string::npos ? "" : path.substr(0, dot));
    const std::string name = dot == std::string::npos ? path : path.substr(dot + 1);
    owner.register_parameter(name, copy_of(tensor), is_buffer);
  };
  for (const auto& item : network.named_parameters()) place(item.key(), item.value(), false);
  for (const auto& item : network.named_buffers()) place(item.key(), item.value(), true);
}

}  // namespace

torch::jit::Module to_torchscript(const Network& network) {
  leave_loops_unfused();
  torch::jit::Module root = make_script_module("Network", std::make_shared<torch::jit::CompilationUnit>());
  copy_tensors(network, root);
  root.define(network.script());
  return root;
}

void save_bundle(const std::filesystem::path& path, const torch::jit::Module& module, BundleMetadata metadata) {
  metadata.created = utc_now();
  metadata.pulmo_version = std::string(version());
  const torch::jit::ExtraFilesMap extra{{kMetadataName, metadata_to_json(metadata)}};
  AtomicFile file(path);
  std::ofstream stream(file.temp_path(), std::ios::binary | std::ios::trunc);
  try {
    module.save(stream, extra);
  } catch (const c10::Error& error) {
    if (stream) throw;  // a module that cannot be exported is a bug
  }
  stream.close();
  if (!stream) throw IoError("cannot write " + path.string() + ": is the disk full?");
  file.commit();
}

Bundle load_bundle(const std::filesystem::path& path) {
  leave_loops_unfused();
  const Bytes bytes = read_file(path);
  std::string metadata_json;
  torch::jit::Module module = load_module(path, bytes, metadata_json);
  module.eval();
  require_numbers(module, path);
  const std::string sha256 = sha256_hex(bytes);
  if (!metadata_json.empty()) return {module, metadata_from_json(metadata_json, path.string()), sha256};
  return {module, metadata_beside(path), sha256};
}

}  // namespace pulmo
