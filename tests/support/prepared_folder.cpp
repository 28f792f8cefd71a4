#include "tests/support/prepared_folder.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/image/preprocess.h"
#include "core/store/manifest.h"
#include "core/store/shard.h"
#include "core/support/digest.h"
#include "core/support/seed.h"

namespace pulmo::testing {
namespace {

struct Patient {
  std::string name;
  std::uint8_t label = 0;
  Split split = Split::kTrain;
  std::uint64_t seed = 0;
};

struct Disc {
  double x, y, radius;
};

std::string numbered(const char* format, int first, int second = 0) {
  char text[64];
  std::snprintf(text, sizeof text, format, first, second);
  return text;
}

// Two ellipses side by side; coordinates in units of the picture.
bool inside_lungs(double x, double y) {
  const auto ellipse = [x, y](double centre) { return std::hypot((x - centre) / 0.19, (y - 0.5) / 0.36) <= 1.0; };
  return ellipse(0.27) || ellipse(0.73);
}

std::vector<Disc> draw_discs(int count, Random& random) {
  std::vector<Disc> discs;
  while (static_cast<int>(discs.size()) < count) {
    const Disc disc{random.uniform(0.15, 0.85), random.uniform(0.25, 0.75), random.uniform(0.06, 0.09)};
    if (inside_lungs(disc.x, disc.y)) discs.push_back(disc);
  }
  return discs;
}

Sample draw_sample(const Patient& patient, int index, const PreparedFolderOptions& options) {
  Random random(derive_seed(patient.seed, "prepared_folder.sample", 0, 0, static_cast<std::uint64_t>(index)));
  const std::vector<Disc> discs = draw_discs(patient.label, random);
  const double level = random.uniform(0.15, 0.35);
  Sample sample;
  for (int row = 0; row < options.size_px; ++row) {
    for (int column = 0; column < options.size_px; ++column) {
      const double x = (column + 0.5) / options.size_px;
      const double y = (row + 0.5) / options.size_px;
      const bool lung = inside_lungs(x, y);
      const bool nodule = lung && std::any_of(discs.begin(), discs.end(), [x, y](const Disc& disc) {
                            return std::hypot(x - disc.x, y - disc.y) <= disc.radius;
                          });
      const double value = lung ? level + (nodule ? options.contrast : 0.0) + random.normal(0.0, 0.05) : 0.0;
      sample.image.push_back(static_cast<std::uint16_t>(std::lround(65535.0 * std::clamp(value, 0.0, 1.0))));
      if (!options.masks) continue;
      sample.lungs.push_back(lung ? 1 : 0);
      sample.nodules.push_back(nodule ? 3 : 0);
    }
  }
  sample.label = options.mixed_groups && index == 0 ? static_cast<std::uint8_t>(1 - patient.label) : patient.label;
  sample.patient = patient.name;
  sample.series = patient.name + "/series";
  sample.group =
      patient.name + (options.mixed_groups || 2 * index < options.samples_per_patient ? "/group-1" : "/group-2");
  sample.instance = patient.name + numbered("/%03d", index + 1);
  sample.position_mm = 5.0 * index;
  return sample;
}

// The last fifth of a class is tested on, the fifth before it validates; a class of three patients fills all splits.
Split split_of(int index, int count) {
  const int part = std::max(1, count / 5);
  if (count < 3) return index == 0 ? Split::kTrain : Split::kTest;
  if (index >= count - part) return Split::kTest;
  return index >= count - 2 * part ? Split::kValidation : Split::kTrain;
}

std::vector<Patient> make_patients(const PreparedFolderOptions& options) {
  const int classes = static_cast<int>(options.classes.size());
  std::vector<Patient> patients;
  for (int i = 0; i < options.patients; ++i) {
    const int label = i % classes;
    const int in_class = (options.patients - label + classes - 1) / classes;
    patients.push_back({numbered("TEST-%04d", i + 1), static_cast<std::uint8_t>(label), split_of(i / classes, in_class),
                        derive_seed(options.seed, "prepared_folder.patient", 0, 0, static_cast<std::uint64_t>(i))});
  }
  return patients;
}

ShardInfo make_info(const PreparedFolderOptions& options, const PreprocessSpec& spec) {
  ShardInfo info;
  info.shape = {1, 0, options.size_px, options.size_px};
  info.task = "slice";
  info.class_names = options.classes;
  info.spec_json = spec_to_json(spec);
  info.spec_sha256 = spec_digest(spec);
  info.has_lungs = options.masks;
  info.has_nodules = options.masks;
  return info;
}

void write_shard(const std::filesystem::path& directory, const ShardInfo& info, const std::vector<Sample>& samples,
                 Split which, ManifestSplit& split) {
  const std::string file = std::string(to_string(which)) + numbered("-%05d.h5", static_cast<int>(split.shards.size()));
  ShardWriter writer(directory / file, info);
  for (const Sample& sample : samples) {
    writer.append(sample);
    ++split.counts[info.class_names[sample.label]];
  }
  writer.finish();
  split.shards.push_back({file, writer.size(), sha256_file(directory / file)});
}

void write_split(const std::filesystem::path& directory, const std::vector<Patient>& patients, Split which,
                 const PreparedFolderOptions& options, Manifest& manifest) {
  const ShardInfo info = make_info(options, manifest.spec);
  ManifestSplit& split = manifest.split(which);
  std::vector<Sample> pending;
  for (const Patient& patient : patients) {
    if (patient.split != which) continue;
    split.patients.push_back(patient.name);
    for (int i = 0; i < options.samples_per_patient; ++i) {
      pending.push_back(draw_sample(patient, i, options));
      if (static_cast<int>(pending.size()) < options.samples_per_shard) continue;
      write_shard(directory, info, pending, which, split);
      pending.clear();
    }
  }
  if (!pending.empty()) write_shard(directory, info, pending, which, split);
}

}  // namespace

void make_prepared_folder(const std::filesystem::path& directory, const PreparedFolderOptions& options) {
  std::filesystem::create_directories(directory);
  Manifest manifest;
  manifest.task = "slice";
  manifest.source = "images";
  manifest.class_names = options.classes;
  manifest.positive_class = options.classes.back();
  manifest.shape = {1, 0, options.size_px, options.size_px};
  manifest.spec.size_px = options.size_px;
  manifest.seed = options.seed;
  manifest.provenance["made_by"] = "make_prepared_folder of the tests";
  const std::vector<Patient> patients = make_patients(options);
  for (const Split which : kSplits) write_split(directory, patients, which, options, manifest);
  write_manifest(directory, manifest);
}

}  // namespace pulmo::testing
