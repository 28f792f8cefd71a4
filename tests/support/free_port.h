#pragma once

namespace pulmo::testing {

/// A port of the loopback address that nobody has just now. Throws std::system_error.
int free_port();

}  // namespace pulmo::testing
