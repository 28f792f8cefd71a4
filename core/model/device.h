#pragma once

#include <string>

namespace pulmo {

/// What a configuration asks to compute on.
enum class DeviceChoice {
  kAuto,  ///< a graphics card where there is one, else the processor
  kCpu,
  kCuda,
};

/// What computes: the processor, or one graphics card of this machine. The header needs no LibTorch.
struct Device {
  int gpu = -1;  ///< number of the card as LibTorch counts them; -1: the processor

  bool is_gpu() const { return gpu >= 0; }
  bool operator==(const Device&) const = default;
};
/// "cpu", "cuda:1": as LibTorch and Python name it.
std::string to_string(Device device);

/// Graphics cards that LibTorch can use; 0 without a driver, or with a LibTorch made without CUDA.
int gpu_count();

/// The device for the process that is number `local_rank` of its machine, which has `gpus` cards: card local_rank %
/// gpus. Throws InvalidInput("device") when kCuda is asked for and there is none. Pure function.
Device choose_device(DeviceChoice choice, int local_rank, int gpus);

/// Makes a card compute alike every time, and float32 as float32: deterministic convolutions, no TF32, no kernels
/// compiled while a bundle runs. For the whole process; nothing to do for the processor.
void make_reproducible(Device device);

/// Whether the device computes clearly faster in bf16 than in float32: tried, a few milliseconds on a processor,
/// because neither LibTorch nor the name of an instruction set tells. (Of two processors with AVX512-BF16 and without
/// AMX one convolved in half of float32's time, the other in more.)
bool prefers_bf16(Device device);

}  // namespace pulmo
