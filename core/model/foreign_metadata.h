#pragma once

#include <filesystem>

#include "core/model/bundle_metadata.h"

namespace pulmo {

/// What a TorchScript file that was made elsewhere needs beside it to be a bundle: FILE.yaml (docs/models.md explains
/// its keys), read strictly. Throws IoError, or InvalidInput naming the file and the key.
BundleMetadata read_foreign_metadata(const std::filesystem::path& file);

}  // namespace pulmo
