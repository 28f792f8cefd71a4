#pragma once

#include <filesystem>

namespace pulmo::testing {

/// From the environment that ctest sets; each throws when its variable is missing.
std::filesystem::path source_dir();     ///< the repository
std::filesystem::path bin_dir();        ///< pulmo-prepare, pulmo-train, pulmo-serve
std::filesystem::path python();         ///< Debian's Python
std::filesystem::path real_data_dir();  ///< the real CT samples; only for tests registered when they are there

}  // namespace pulmo::testing
