#pragma once

#include <cstddef>
#include <vector>

#include "core/model/bundle_metadata.h"
#include "serving/infer_request.h"
#include "serving/service.h"

namespace pulmo::serving {

/// The samples of an inference request, N of them, as uploads of the service. One input, of these two:
/// - `image`, (N,C,S,S) with the model's C and S, already preprocessed: FP32 or FP64 (FP16 in binary only) in [0, 1],
///   UINT16 (value / 65535) or UINT8 (value / 255);
/// - `file`, BYTES (N) or (N,1): each a PNG, JPEG or DICOM file, which the bundle's own spec prepares; in JSON as
/// base64
///   with the parameter content_type "base64".
/// Throws HttpRefusal (400) when it is neither, or N is 0 or more than `most`.
std::vector<Upload> samples_of(const InferRequest& request, const BundleMetadata& metadata, std::size_t most);

}  // namespace pulmo::serving
