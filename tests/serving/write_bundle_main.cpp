// Writes a bundle for the server's tests: pulmo-test-bundle FILE SIZE_PX MASK(lungs|none) [phantom]
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/support/bundle_fixture.h"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: pulmo-test-bundle FILE SIZE_PX lungs|none [phantom]\n";
    return 2;
  }
  pulmo::testing::TestBundleOptions options;
  options.size_px = std::atoi(argv[2]);
  options.mask = std::string(argv[3]) == "none" ? pulmo::LungMasking::kNone : pulmo::LungMasking::kLungs;
  options.phantom = argc > 4 && std::string(argv[4]) == "phantom";
  pulmo::testing::write_test_bundle(argv[1], options);
  return 0;
}
