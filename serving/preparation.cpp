#include "serving/preparation.h"

#include <chrono>
#include <string>
#include <utility>

#include "core/support/elapsed.h"
#include "core/support/error.h"
#include "serving/pictures.h"
#include "serving/series.h"

namespace pulmo::serving {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kMaxTiltDegrees = 30.0;

void require_axial(const SlicePlace& place, const std::string& name) {
  const double tilt = tilt_degrees(place);
  if (tilt <= kMaxTiltDegrees) return;
  throw InvalidInput("not_axial", name + ": the image plane lies " + std::to_string(static_cast<int>(tilt)) +
                                      " degrees off the axial one: choose an axial slice");
}

}  // namespace

Bytes take_bytes(Upload& upload) {
  if (upload.archive) return upload.archive->read(upload.member);
  return std::move(upload.data);
}

PreparedSlice prepare_slice(Upload& upload, const Decoder& decoder, const PreprocessSpec& spec, SlicePlace& place) {
  PreparedSlice slice;
  Clock::time_point begin = Clock::now();
  slice.decoded = decoder.decode(take_bytes(upload), upload.name);
  place = slice.decoded.place;
  slice.decode_s = seconds_since(begin);
  if (slice.decoded.dicom) require_axial(place, upload.name);
  begin = Clock::now();
  slice.ready = preprocess(slice.decoded.slice, spec);
  slice.preprocess_s = seconds_since(begin);
  return slice;
}

void describe(const PreparedSlice& slice, const std::string& name, const BundleMetadata& metadata,
              Prediction& prediction) {
  prediction.name = name;
  prediction.kind = slice.ready.kind;
  prediction.lung_fraction = slice.ready.lung_fraction;
  prediction.times.decode_s = slice.decode_s;
  prediction.times.preprocess_s = slice.preprocess_s;
  auto& warnings = prediction.warnings;
  if (prediction.kind == PixelKind::kGrey) {
    warnings.emplace_back(
        "a picture holds grey values, not Hounsfield units: they are taken as a chest slice in a lung window");
  }
  if (slice.decoded.lossy) warnings.emplace_back("JPEG compression loses detail: send DICOM or PNG where you can");
  if (const auto frames = slice.decoded.place.frames; frames > 1) {
    warnings.push_back("the file holds " + std::to_string(frames) +
                       " slices: the first of them was predicted, send the others as files of their own");
  }
  if (metadata.task == "nodule" && slice.decoded.dicom) {
    warnings.push_back("the model was trained on " +
                       (metadata.crop ? text_of(*metadata.crop) + " around a nodule" : "crops around one nodule") +
                       ", not on whole slices: its answer to one says nothing of the nodules in it");
  }
}

void draw(const PreparedSlice& slice, const PreprocessSpec& spec, Prediction& prediction) {
  prediction.preview_png = grey_png(slice.ready.image, 0.0, 65535.0);
  // A browser shows PNG and JPEG by itself.
  if (slice.decoded.slice.kind == PixelKind::kHounsfield) {
    prediction.picture_png = grey_png(slice.decoded.slice.pixels, spec.window_low_hu, spec.window_high_hu);
  }
}

}  // namespace pulmo::serving
