#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/support/error.h"

namespace pulmo::testing {

/// Runs `action`, which must throw InvalidInput, and returns its reason; "" when nothing was thrown.
template <typename Action>
std::string refusal_of(Action action) {
  try {
    action();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(std::string(error.what()).find("SECRET"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()), "");
    return error.reason();
  }
  return "";
}

}  // namespace pulmo::testing
