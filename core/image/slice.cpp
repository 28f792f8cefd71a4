#include "core/image/slice.h"

namespace pulmo {

const char* to_string(PixelKind kind) {
  return kind == PixelKind::kHounsfield ? "hounsfield" : "grey";
}

}  // namespace pulmo
