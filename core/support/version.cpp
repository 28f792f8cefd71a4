#include "core/support/version.h"

namespace pulmo {

std::string_view version() {
  return PULMO_VERSION;
}

}  // namespace pulmo
