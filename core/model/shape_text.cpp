#include "core/model/shape_text.h"

namespace pulmo {

std::string shape_text(std::span<const std::int64_t> extents) {
  std::string text;
  for (const std::int64_t extent : extents) text += (text.empty() ? "" : " x ") + std::to_string(extent);
  return text.empty() ? "one number" : text;
}

}  // namespace pulmo
