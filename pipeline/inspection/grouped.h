#pragma once

#include <cstdint>
#include <string>

namespace pulmo::pipeline {

/// "12,345"
std::string grouped(std::int64_t number);

}  // namespace pulmo::pipeline
