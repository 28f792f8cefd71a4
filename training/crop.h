#pragma once

#include <optional>

#include "core/model/bundle_metadata.h"
#include "core/store/manifest.h"

namespace pulmo::training {

/// What a prepared folder's samples are cut to; nothing where they are whole slices, or it is not known.
std::optional<NoduleCrop> crop_of(const Manifest& manifest);

}  // namespace pulmo::training
