#include "tests/pipeline/inspection/hand_made_folder.h"

#include <set>

#include "core/support/digest.h"

namespace pulmo::testing {

Sample HandMadeFolder::sample(const std::string& patient, std::uint8_t label, int shade) const {
  Sample made;
  const std::int64_t area = shape.height * shape.width;
  for (std::int64_t e = 0; e < shape.elements(); ++e) {
    const bool lung = e % shape.width >= 4 && e % shape.width < 12;
    made.image.push_back(lung ? static_cast<std::uint16_t>(1000 + shade) : std::uint16_t{0});
    if (lungs && e < area) made.lungs.push_back(lung ? 1 : 0);
  }
  if (nodules) made.nodules.resize(static_cast<std::size_t>(shape.elements() / shape.channels), 0);
  made.label = label;
  made.patient = patient;
  made.series = patient + "/series";
  made.group = patient + "/group";
  made.instance = patient + "/" + std::to_string(shade);
  made.position_mm = shade;
  return made;
}

Manifest HandMadeFolder::write(const std::filesystem::path& directory) const {
  Manifest manifest;
  manifest.task = "slice";
  manifest.source = "lidc";
  manifest.class_names = class_names;
  manifest.positive_class = class_names.back();
  manifest.shape = shape;
  manifest.provenance["rule"] = "hand-made";
  ShardInfo info{shape,   "slice", class_names, spec_to_json(manifest.spec), spec_digest(manifest.spec), lungs,
                 nodules, 0};
  for (const auto& [which, list] : samples) {
    const std::string file = std::string(to_string(which)) + "-00000.h5";
    ManifestSplit& split = manifest.split(which);
    ShardWriter writer(directory / file, info);
    std::set<std::string> patients;
    for (const Sample& one : list) {
      writer.append(one);
      ++split.counts[class_names[one.label]];
      patients.insert(one.patient);
    }
    writer.finish();
    split.shards = {{file, writer.size(), sha256_file(directory / file)}};
    const auto listed = listed_patients.find(which);
    split.patients.assign(patients.begin(), patients.end());
    if (listed != listed_patients.end()) split.patients = listed->second;
  }
  write_manifest(directory, manifest);
  return manifest;
}

HandMadeFolder small_folder() {
  HandMadeFolder folder;
  const auto add = [&folder](Split which, const std::string& patient, std::uint8_t label, int shade) {
    folder.samples[which].push_back(folder.sample(patient, label, shade));
    folder.samples[which].push_back(folder.sample(patient, label, shade + 1));
  };
  add(Split::kTrain, "SECRET-1", 0, 10);
  add(Split::kTrain, "SECRET-2", 1, 20);
  add(Split::kValidation, "SECRET-3", 0, 30);
  add(Split::kTest, "SECRET-4", 1, 40);
  return folder;
}

}  // namespace pulmo::testing
