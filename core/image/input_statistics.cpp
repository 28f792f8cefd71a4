#include "core/image/input_statistics.h"

namespace pulmo {

InputStatistics input_statistics(std::span<const std::uint16_t> pixels, LungMasking mask) {
  std::uint64_t sum = 0;
  std::uint64_t above = 0;
  for (const std::uint16_t pixel : pixels) {
    sum += pixel;
    above += pixel > 0 ? 1U : 0U;
  }
  if (mask == LungMasking::kNone) above = pixels.size();
  InputStatistics result;
  if (mask == LungMasking::kLungs && !pixels.empty()) {
    result.lung_fraction = static_cast<double>(above) / static_cast<double>(pixels.size());
  }
  if (above > 0) result.mean_intensity = static_cast<double>(sum) / static_cast<double>(above) / 65535.0;
  return result;
}

}  // namespace pulmo
