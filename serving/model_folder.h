#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/predictor.h"

namespace pulmo::serving {

/// A bundle on disk, and what it is served as.
struct ModelSource {
  std::string name;
  std::string version;  ///< empty: the one its metadata tells
  std::filesystem::path bundle;

  bool operator==(const ModelSource&) const = default;
};

/// Letters, digits, '-', '_' and '.', the first of them no '.'; at most 128.
bool is_model_name(std::string_view name);

/// FOLDER/NAME/VERSION/bundle.pt and FOLDER/NAME/bundle.pt, by name and version; links are followed, other entries and
/// names that is_model_name() refuses are left out. Throws IoError when the folder cannot be read.
std::vector<ModelSource> find_models(const std::filesystem::path& folder);

/// Whether version `a` is older than `b`: numbers by value, before any other text, which goes by its bytes.
bool is_older_version(std::string_view a, std::string_view b);

/// What can be told of the files of a bundle (itself, FILE.sha256, FILE.yaml) without reading them; another value means
/// that one was replaced or changed. Absent files have a stamp too.
std::vector<std::int64_t> stamp_of(const std::filesystem::path& bundle);

/// Reads a bundle: load_predictor() of core, or what a test puts in its place.
using LoadPredictor = std::function<std::shared_ptr<const Predictor>(const std::filesystem::path& bundle)>;

/// Loads a bundle and makes sure that it serves: its bytes are those of FILE.sha256 where there is such a file (the
/// format of sha256sum), and it gives finite probabilities that sum to one, for one sample and for `max_batch`. Throws
/// InvalidInput("bundle") or IoError, naming the file.
std::shared_ptr<const Predictor> load_checked(const std::filesystem::path& bundle, const LoadPredictor& load,
                                              std::size_t max_batch);

}  // namespace pulmo::serving
