#include "core/model/device.h"

#include <ATen/Context.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "core/model/torch_device.h"
#include "core/support/elapsed.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr double kClearly = 0.7;  // of float32's time

// Of a few products of square matrices on the card, in seconds.
double product_seconds(at::ScalarType type, c10::Device device) {
  constexpr std::int64_t kSide = 2048;
  constexpr int kTimes = 8;
  const at::Tensor factor = at::ones({kSide, kSide}, at::TensorOptions().device(device).dtype(type));
  const auto wait_for = [](const at::Tensor& product) { return product.select(0, 0).select(0, 0).item<double>(); };
  wait_for(at::mm(factor, factor));  // the first one sets up the card's libraries
  const auto start = std::chrono::steady_clock::now();
  at::Tensor product;
  for (int i = 0; i < kTimes; ++i) product = at::mm(factor, factor);
  wait_for(product);
  return seconds_since(start);
}

// Of one convolution of a small batch on the processor, in seconds: the quickest of a few, as other programs may
// interrupt.
double convolution_seconds(at::ScalarType type) {
  constexpr int kTimes = 6;
  const auto layout = [](const at::Tensor& tensor) { return tensor.contiguous(at::MemoryFormat::ChannelsLast); };
  const at::Tensor images = layout(at::ones({4, 32, 56, 56}, type));
  const at::Tensor kernels = layout(at::ones({64, 32, 3, 3}, type));
  double least = std::numeric_limits<double>::max();
  for (int i = 0; i < kTimes; ++i) {
    const auto start = std::chrono::steady_clock::now();
    at::conv2d(images, kernels, {}, 1, 1);
    least = std::min(least, seconds_since(start));
  }
  return least;
}

// Without these instructions bf16 is arithmetic in float32 and conversions.
bool multiplies_bf16() {
#if defined(__x86_64__) && defined(__GNUC__)
  return __builtin_cpu_supports("amx-bf16") != 0 || __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace

std::string to_string(Device device) {
  return device.is_gpu() ? "cuda:" + std::to_string(device.gpu) : "cpu";
}

int gpu_count() {
  return torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
}

Device choose_device(DeviceChoice choice, int local_rank, int gpus) {
  if (choice == DeviceChoice::kCpu) return {};
  if (gpus > 0) return {local_rank % gpus};
  if (choice == DeviceChoice::kAuto) return {};
  throw InvalidInput("device",
                     "device: cuda was asked for, but LibTorch " TORCH_VERSION
                     " finds no graphics card here: use device=cpu or auto, or a build on a LibTorch made for CUDA "
                     "(Debian's is not), on a machine whose cards nvidia-smi lists");
}

void make_reproducible(Device device) {
  if (!device.is_gpu()) return;
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setAllowTF32CuDNN(false);  // of matrix products it is off by default
  torch::jit::setTensorExprFuserEnabled(false);  // else bundles round by the number of their earlier runs
}

bool prefers_bf16(Device device) {
  if (!device.is_gpu()) {
    // Once for a process: the rows and folds of one table are not to differ by what else the machine did meanwhile.
    static const bool prefers =
        multiplies_bf16() && convolution_seconds(at::kBFloat16) < kClearly * convolution_seconds(at::kFloat);
    return prefers;
  }
  try {
    const c10::Device card = torch_device(device);
    return product_seconds(at::kBFloat16, card) < kClearly * product_seconds(at::kFloat, card);
  } catch (const c10::Error&) {  // a card or a LibTorch that does not know bf16
    return false;
  }
}

}  // namespace pulmo
