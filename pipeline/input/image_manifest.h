#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pulmo::pipeline {

/// One picture of an images manifest.
struct ImageRow {
  std::size_t line = 0;  ///< of the manifest, for messages
  std::string path;      ///< as written: a file, or archive.zip!inner/name.png; relative to the manifest
  std::string label;
  std::string patient;
  std::string group;  ///< the picture's path where the manifest names none
  std::string mask;   ///< path of the mask picture; empty: none
};

struct ImageManifest {
  std::vector<ImageRow> rows;            ///< in the order of the file
  std::vector<std::string> class_names;  ///< sorted, the positive one last
  bool has_masks = false;                ///< some row names a mask
};

/// Reads a manifest: CSV with the columns path,label,patient and optionally group,mask; other columns are ignored.
/// Throws InvalidInput("csv") naming file and line: a column missing, a field empty, a path twice, a group with two
/// patients, no rows, fewer than two labels, or none that is `positive_class`.
ImageManifest parse_image_manifest(std::string_view text, const std::string& name, const std::string& positive_class);

/// Where a path of the manifest points: relative paths begin at the manifest's folder.
std::filesystem::path resolved(const std::filesystem::path& manifest, const std::string& path);

/// The zip of "archive.zip!inner/name" (or ".ZIP!"), or the file itself.
std::filesystem::path container_of(const std::filesystem::path& path);

}  // namespace pulmo::pipeline
