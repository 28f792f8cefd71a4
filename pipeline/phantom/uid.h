#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pulmo::pipeline::phantom {

/// A DICOM UID under the root of UUIDs, 2.25 (PS3.5 B.2): a version 4 UUID whose bits come from the seed, as a decimal
/// number. The same arguments give the same UID.
std::string derive_uid(std::uint64_t seed, std::string_view purpose, std::uint64_t patient = 0,
                       std::uint64_t index = 0);

}  // namespace pulmo::pipeline::phantom
