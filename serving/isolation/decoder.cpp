#include "serving/isolation/decoder.h"

#include <filesystem>
#include <utility>

#include "core/support/error.h"

namespace pulmo::serving {
namespace {

/// Beside this program, as built, or in ../libexec/pulmo, as installed: nobody runs it by hand.
std::filesystem::path decoder_program() {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) throw IoError("/proc/self/exe cannot be read, so pulmo-decoder is not found: " + failed.message());
  auto beside = self.parent_path() / "pulmo-decoder";
  return std::filesystem::exists(beside) ? beside : self.parent_path().parent_path() / "libexec/pulmo/pulmo-decoder";
}

}  // namespace

Decoder::Decoder(const DecodeLimits& limits) : limits_(limits) {}

Decoder::Decoder(DecoderOptions options, WorkerPool::OnEnd on_end) : limits_(options.worker.limits) {
  if (!options.isolated) return;
  if (options.worker.program.empty()) options.worker.program = decoder_program();
  pool_ = std::make_unique<WorkerPool>(std::move(options.worker), options.processes, std::move(on_end));
}

DecodedSlice Decoder::decode(ByteView file, std::string_view name) const {
  return pool_ ? pool_->decode(file, name) : decode_here(file, name, limits_);
}

std::size_t Decoder::processes() const {
  return pool_ ? pool_->ready() : 0;
}

}  // namespace pulmo::serving
