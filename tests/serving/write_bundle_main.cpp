// Writes a bundle for the server's tests: pulmo-test-bundle FILE SIZE_PX MASK(lungs|none) [phantom] [--seed N]
// [--network NAME] [--depth D]
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/support/bundle_fixture.h"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: pulmo-test-bundle FILE SIZE_PX lungs|none [phantom] [--seed N] [--network NAME] [--depth D]\n";
    return 2;
  }
  pulmo::testing::TestBundleOptions options;
  options.size_px = std::atoi(argv[2]);
  options.mask = std::string(argv[3]) == "none" ? pulmo::LungMasking::kNone : pulmo::LungMasking::kLungs;
  for (int i = 4; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "phantom") options.phantom = true;
    if (word == "--seed" && i + 1 < argc) options.seed = std::strtoull(argv[++i], nullptr, 10);
    if (word == "--network" && i + 1 < argc) options.network = argv[++i];
    if (word == "--depth" && i + 1 < argc) options.depth = std::atoll(argv[++i]);
  }
  pulmo::testing::write_test_bundle(argv[1], options);
  return 0;
}
