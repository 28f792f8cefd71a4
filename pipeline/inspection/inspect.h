#pragma once

#include <filesystem>
#include <string>

namespace pulmo::pipeline {

/// What a prepared folder holds, for people: task, classes, shape, spec, digest, and a table of samples, patients and
/// groups of each class in each split. Counted from the shards themselves. Never names a patient. Throws IoError, or
/// InvalidInput("manifest", "shard") when the folder does not fit together.
std::string describe(const std::filesystem::path& directory);

/// The same for programs: one JSON object (docs/formats.md lists the keys).
std::string describe_json(const std::filesystem::path& directory);

}  // namespace pulmo::pipeline
