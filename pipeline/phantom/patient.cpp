#include "pipeline/phantom/patient.h"

#include <array>
#include <cstdio>
#include <opencv2/core.hpp>

#include "pipeline/phantom/lesion_placement.h"

namespace pulmo::pipeline::phantom {
namespace {

std::uint64_t stream(const Patient& patient, std::string_view purpose) {
  return derive_seed(patient.seed, purpose, 0, 0, static_cast<std::uint64_t>(patient.index));
}

/// Blocks of three patients see each scanner once, in random order.
const Scanner& scanner_of(std::uint64_t seed, int index) {
  std::array<std::size_t, 3> order = {0, 1, 2};
  Random random(derive_seed(seed, "phantom/scanner", 0, 0, static_cast<std::uint64_t>(index / 3)));
  random.shuffle(order);
  return scanners()[order[static_cast<std::size_t>(index % 3)]];
}

int count_of(Random& random, std::initializer_list<double> shares) {
  double left = random.uniform();
  int count = 0;
  for (const double share : shares) {
    if (left < share) return count;
    left -= share;
    ++count;
  }
  return count;
}

std::vector<LesionKind> kinds_of(const Findings& findings, Random& random) {
  std::vector<LesionKind> kinds;
  const auto add = [&](LesionKind kind, int count) {
    kinds.insert(kinds.end(), static_cast<std::size_t>(count), kind);
  };
  if (findings.malignant) add(LesionKind::kMalignant, 3 + count_of(random, {0.4, 0.35}));
  if (findings.benign) add(LesionKind::kBenign, 1 + count_of(random, {0.4, 0.35}));
  if (findings.benign) add(LesionKind::kIndeterminate, count_of(random, {0.6}));
  add(LesionKind::kSmall, count_of(random, {0.45, 0.35}));
  add(LesionKind::kScar, count_of(random, {0.3, 0.35, 0.2}));
  return kinds;
}

}  // namespace

Findings findings_of(std::uint64_t seed, int index) {
  std::array<Findings, 8> block = {{{true, false},
                                    {true, false},
                                    {true, false},
                                    {true, true},
                                    {false, true},
                                    {false, true},
                                    {false, false},
                                    {false, false}}};
  Random random(derive_seed(seed, "phantom/findings", 0, 0, static_cast<std::uint64_t>(index / 8)));
  random.shuffle(block);
  return block[static_cast<std::size_t>(index % 8)];
}

Patient make_patient(std::uint64_t seed, int index, int side_px, int slices) {
  Patient patient;
  patient.index = index;
  patient.seed = seed;
  std::array<char, 32> id{};
  std::snprintf(id.data(), id.size(), "PULMO-%04d", index + 1);
  patient.id = id.data();
  Random body(stream(patient, "phantom/anatomy"));
  patient.anatomy = make_anatomy(body);
  patient.scanner = scanner_of(seed, index);
  patient.scan = plan_scan(patient.anatomy, patient.scanner, side_px, slices, body);
  const LungMap map(patient.anatomy, patient.scan);
  Random vessels(stream(patient, "phantom/vessels"));
  patient.lung_branches = grow_lung_trees(patient.anatomy, map, vessels);
  Random lesions(stream(patient, "phantom/lesions"));
  for (const LesionKind kind : kinds_of(findings_of(seed, index), lesions)) {
    place(make_lesion(kind, lesions), patient.anatomy, map, lesions, patient.lesions);
  }
  return patient;
}

}  // namespace pulmo::pipeline::phantom
