#pragma once

#include <string>
#include <string_view>

#include "core/model/bundle_metadata.h"

namespace pulmo {

/// The text of `pulmo.json`. Throws InvalidInput("bundle") for metadata that load_bundle() would refuse.
std::string metadata_to_json(const BundleMetadata& metadata);

/// Reads `pulmo.json` strictly: every key present (but `reference`) and of its type, no other key, version read by this
/// program, at least two distinct class names, the positive class among them, threshold in [0, 1], positive
/// temperature, a valid spec. `file` stands for the bundle in messages. Throws InvalidInput("bundle").
BundleMetadata metadata_from_json(std::string_view json, std::string_view file);

}  // namespace pulmo
