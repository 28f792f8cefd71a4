#include "tests/support/test_paths.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace pulmo::testing {
namespace {

std::filesystem::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set: run the tests through ctest");
  return value;
}

}  // namespace

std::filesystem::path source_dir() {
  return from_environment("PULMO_SOURCE_DIR");
}
std::filesystem::path bin_dir() {
  return from_environment("PULMO_BIN_DIR");
}
std::filesystem::path python() {
  return from_environment("PULMO_PYTHON");
}
std::filesystem::path real_data_dir() {
  return from_environment("PULMO_REAL_DATA");
}

}  // namespace pulmo::testing
