#pragma once

#include <c10/core/Device.h>

#include "core/model/device.h"

namespace pulmo {

/// The device as LibTorch's functions take it.
inline c10::Device torch_device(Device device) {
  if (!device.is_gpu()) return {c10::kCPU};
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(device.gpu)};
}

}  // namespace pulmo
