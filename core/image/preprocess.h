#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/image/slice.h"

namespace pulmo {

enum class LungMasking {
  kLungs,  ///< everything outside the lungs is set to 0; a slice without a lung is refused
  kNone,   ///< the picture is kept whole (nodule patches, crops)
};

/// Every number of the preprocessing of a slice: stored in each shard and in the bundle, so that training and serving
/// cannot differ. Two specs are the same when their digests are.
struct PreprocessSpec {
  int version = 1;  ///< of the algorithm; raised when the same numbers would give other pixels, but for rounding
  double window_low_hu = -1000.0;  ///< lung window, docs/preprocessing.md step 1
  double window_high_hu = 400.0;
  double gaussian_sigma_px = 1.0;  ///< of the original pixels; 0 switches the filter off (step 2)
  int crop_px = 0;                 ///< central square crop before resizing, original pixels; 0 keeps the whole slice
  int size_px = 224;               ///< S: the result is (S,S) (step 4)
  LungMasking mask = LungMasking::kLungs;
  std::optional<double> threshold;  ///< lung threshold T in [0, 1] of the normalised image; nullopt: Otsu's (step 5)
  double min_lung_fraction = 0.01;  ///< lungs smaller than this share of the picture count as "no lung found"

  bool operator==(const PreprocessSpec&) const = default;
};

/// Canonical JSON (sorted keys), the form stored in shards and bundles.
std::string spec_to_json(const PreprocessSpec& spec);
/// Throws InvalidInput("spec") for malformed JSON, unknown keys, values out of range or a newer version.
PreprocessSpec spec_from_json(std::string_view json);
/// SHA-256 of the canonical JSON.
std::string spec_digest(const PreprocessSpec& spec);
/// Throws InvalidInput("spec") naming the value that is out of range.
void validate(const PreprocessSpec& spec);

struct PreprocessedSlice {
  cv::Mat image;                ///< (S,S) CV_16UC1 = round(65535 * value), value in [0, 1]
  cv::Mat lungs;                ///< (S,S) CV_8UC1, 1 inside the lungs; all ones when masking is kNone
  double lung_fraction = 0.0;   ///< share of the picture that is lung; 1 when masking is kNone
  double mean_intensity = 0.0;  ///< mean of value over the lungs
  PixelKind kind = PixelKind::kHounsfield;
};

/// The one preprocessing of pulmo (docs/preprocessing.md): window, Gaussian filter, central crop, min-max
/// normalisation, resize, lung mask, rounding to the 1/65535 grid. Used by prepare and by serve. Pictures that are not
/// square are padded with black, never stretched. Throws InvalidInput: constant_image, no_lung, not_finite, too_small.
/// `spec` must be valid. Pure function, thread-safe.
PreprocessedSlice preprocess(const Slice& slice, const PreprocessSpec& spec);

/// Its first two steps, on the slice as it is: (H,W) CV_32FC1, 0 to 1. Throws InvalidInput("not_finite").
cv::Mat windowed_and_smoothed(const Slice& slice, const PreprocessSpec& spec);

/// Where a point of the original slice lies in the preprocessed one, pixel centres at whole numbers in both.
struct PixelMapping {
  double scale_x = 1.0, scale_y = 1.0, offset_x = 0.0, offset_y = 0.0;  ///< out = scale * in + offset
};
PixelMapping pixel_mapping(int rows, int columns, const PreprocessSpec& spec);

/// Brings a binary mask of the original slice, (H,W) CV_8UC1, to (S,S) by the same crop and resize: 1 where at least
/// half of the covered area is set.
cv::Mat preprocess_mask(const cv::Mat& mask, const PreprocessSpec& spec);

}  // namespace pulmo
