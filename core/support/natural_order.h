#pragma once

#include <string_view>

namespace pulmo {

/// Whether `a` comes before `b` as people number their files: runs of digits by their value, so that IM2 stands before
/// IM10, all else byte by byte. Names that differ in leading zeros alone go by plain text. A strict total order. Pure.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace pulmo
