#pragma once

#include <filesystem>
#include <string>

namespace pulmo::pipeline {

/// The collection of a prepared folder as one self-contained HTML page: counts, splits, samples of each class, scanners
/// and geometry, intensities, what was left out and why, and how it was made. Reads the shards, the manifest and, where
/// there is one, report.yaml. Loads nothing from anywhere, runs no script, names no patient; the same folder gives the
/// same page. Throws IoError, or InvalidInput("manifest", "shard", "report").
std::string collection_page(const std::filesystem::path& directory);

/// Writes it, atomically.
void write_collection_page(const std::filesystem::path& directory, const std::filesystem::path& html);

}  // namespace pulmo::pipeline
