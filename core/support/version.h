#pragma once

#include <string_view>

namespace pulmo {

/// The version of this build, "MAJOR.MINOR.PATCH".
std::string_view version();

/// Said on every page, in every response and in every bundle.
inline constexpr std::string_view kNotice =
    "Research tool and second opinion only: not a medical device, never a diagnosis.";

}  // namespace pulmo
