#pragma once

#include <string>

#include "core/image/preprocess.h"
#include "core/model/bundle_metadata.h"
#include "serving/isolation/decoder.h"
#include "serving/prediction.h"

namespace pulmo::serving {

/// A slice made ready for a model.
struct PreparedSlice {
  DecodedSlice decoded;
  PreprocessedSlice ready;
  double decode_s = 0.0;
  double preprocess_s = 0.0;
};

/// The bytes of an upload, taken out of it or unpacked from its archive. Throws InvalidInput as ZipUpload::read().
Bytes take_bytes(Upload& upload);

/// Decodes and preprocesses the file; `place` is filled in as soon as it is known, so that a slice which is refused
/// afterwards has its place in its series. Throws InvalidInput: those of decoding and preprocessing, and not_axial for
/// an image plane more than 30 degrees off the axial one, as prepare leaves those out too; DecoderUnavailable.
/// Thread-safe.
PreparedSlice prepare_slice(Upload& upload, const Decoder& decoder, const PreprocessSpec& spec, SlicePlace& place);

/// Fills in what the prediction tells of the slice itself, with the warnings that its file calls for, or that it is no
/// crop around a nodule where the model was trained on those.
void describe(const PreparedSlice& slice, const std::string& name, const BundleMetadata& metadata,
              Prediction& prediction);

/// The pictures of a prediction that people ask for.
void draw(const PreparedSlice& slice, const PreprocessSpec& spec, Prediction& prediction);

}  // namespace pulmo::serving
