#include "training/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/support/seed.h"

namespace pulmo::training {
namespace {

constexpr float kScale = 65535.0F;

// The source of output (0,0) and what one step along a row or a column of the output adds, in elements of the plane.
struct Walk {
  std::int64_t origin = 0, row_step = 0, column_step = 0;
};

Walk walk_of(const Transform& transform, const PlaneSize& size) {
  const std::int64_t row = transform.flip_rows ? -size.width : size.width;
  const std::int64_t column = transform.flip_columns ? -1 : 1;
  Walk walk;
  walk.origin =
      (transform.flip_rows ? (size.height - 1) * size.width : 0) + (transform.flip_columns ? size.width - 1 : 0);
  walk.row_step = transform.transpose ? column : row;
  walk.column_step = transform.transpose ? row : column;
  return walk;
}

}  // namespace

Transform draw_transform(const AugmentOptions& options, std::uint64_t sample_seed) {
  Random random(sample_seed);
  Transform transform;
  if (options.flips) {
    const std::uint64_t sides = random.below(4);
    transform.flip_rows = (sides & 1U) != 0;
    transform.flip_columns = (sides & 2U) != 0;
    transform.flip_slices = Random(derive_seed(sample_seed, "slices")).below(2) != 0;
  }
  if (options.quarter_turns) {
    // Quarter turn = transpose and flip of one side; half turn = flip of both.
    const std::uint64_t turns = random.below(4);
    transform.transpose = (turns & 1U) != 0;
    if (turns == 1 || turns == 2) transform.flip_rows = !transform.flip_rows;
    if (turns == 2 || turns == 3) transform.flip_columns = !transform.flip_columns;
  }
  if (options.shift_px > 0) {
    const auto span = static_cast<std::uint64_t>(2 * options.shift_px + 1);
    transform.shift_rows = static_cast<int>(random.below(span)) - options.shift_px;
    transform.shift_columns = static_cast<int>(random.below(span)) - options.shift_px;
  }
  if (options.scale > 0.0) {
    const double widest = std::log1p(options.scale);
    transform.scale = std::exp(random.uniform(-widest, widest));
  }
  if (options.rotation > 0.0) {
    transform.angle = random.uniform(-options.rotation, options.rotation) * std::numbers::pi / 180.0;
  }
  if (options.intensity > 0.0) {
    transform.gain = 1.0 + random.uniform(-options.intensity, options.intensity);
    transform.offset = 0.5 * random.uniform(-options.intensity, options.intensity);
  }
  if (options.noise > 0.0) {
    transform.noise = random.uniform(0.0, options.noise);
    transform.noise_seed = derive_seed(sample_seed, "noise");
  }
  return transform;
}

namespace {

// Where an output pixel lies in the original: pixel centres lie at whole numbers, the middle stays.
class Placing {
 public:
  Placing(const PlaneSize& size, const Transform& transform)
      : last_row_(static_cast<double>(size.height - 1)),
        last_column_(static_cast<double>(size.width - 1)),
        shift_rows_(transform.shift_rows),
        shift_columns_(transform.shift_columns),
        cosine_(std::cos(transform.angle) / transform.scale),
        sine_(std::sin(transform.angle) / transform.scale) {}

  double row(std::int64_t y, std::int64_t x) const {
    return std::clamp(0.5 * last_row_ + cosine_ * down(y) - sine_ * across(x) + shift_rows_, 0.0, last_row_);
  }
  double column(std::int64_t y, std::int64_t x) const {
    return std::clamp(0.5 * last_column_ + cosine_ * across(x) + sine_ * down(y) + shift_columns_, 0.0, last_column_);
  }

 private:
  double down(std::int64_t y) const { return static_cast<double>(y) - 0.5 * last_row_; }
  double across(std::int64_t x) const { return static_cast<double>(x) - 0.5 * last_column_; }

  double last_row_, last_column_, shift_rows_, shift_columns_, cosine_, sine_;
};

// Between four neighbours, reached by the steps of `walk`.
void resample_plane(const std::uint16_t* plane, const PlaneSize& size, const Transform& transform, float* target) {
  const Walk walk = walk_of(transform, size);
  const Placing place(size, transform);
  for (std::int64_t y = 0; y < size.height; ++y) {
    for (std::int64_t x = 0; x < size.width; ++x) {
      const double row = place.row(y, x);
      const auto top = static_cast<std::int64_t>(row);
      const std::int64_t down = top + 1 < size.height ? walk.row_step : 0;
      const double below = row - static_cast<double>(top);
      const double column = place.column(y, x);
      const auto left = static_cast<std::int64_t>(column);
      const std::int64_t across = left + 1 < size.width ? walk.column_step : 0;
      const double right = column - static_cast<double>(left);
      const std::uint16_t* at = plane + walk.origin + top * walk.row_step + left * walk.column_step;
      const double upper = at[0] + right * (static_cast<double>(at[across]) - at[0]);
      const double lower = at[down] + right * (static_cast<double>(at[down + across]) - at[down]);
      *target++ = static_cast<float>((upper + below * (lower - upper)) / 65535.0);
    }
  }
}

void change_values(std::span<float> values, const Transform& transform) {
  Random random(transform.noise_seed);
  for (float& value : values) {
    const double noise = transform.noise > 0.0 ? transform.noise * random.normal() : 0.0;
    if (value == 0.0F) continue;
    value = static_cast<float>(std::clamp(value * transform.gain + transform.offset + noise, 0.0, 1.0));
  }
}

}  // namespace

void transform_to_float(std::span<const std::uint16_t> pixels, const PlaneSize& size, const Transform& transform,
                        std::span<float> out) {
  const Walk walk = walk_of(transform, size);
  float* target = out.data();
  for (std::int64_t i = 0; i < size.channels * size.depth; ++i) {
    const std::int64_t slice = i % size.depth;
    const std::int64_t from = transform.flip_slices ? i - slice + (size.depth - 1 - slice) : i;
    const std::uint16_t* plane = pixels.data() + from * size.height * size.width;
    if (transform.scale != 1.0 || transform.angle != 0.0) {
      resample_plane(plane, size, transform, target);
      target += size.height * size.width;
      continue;
    }
    for (std::int64_t y = 0; y < size.height; ++y) {
      const std::int64_t row = std::clamp<std::int64_t>(y + transform.shift_rows, 0, size.height - 1);
      const std::uint16_t* line = plane + walk.origin + row * walk.row_step;
      if (transform.shift_columns == 0) {
        for (std::int64_t x = 0; x < size.width; ++x)
          *target++ = static_cast<float>(line[x * walk.column_step]) / kScale;
        continue;
      }
      for (std::int64_t x = 0; x < size.width; ++x) {
        const std::int64_t column = std::clamp<std::int64_t>(x + transform.shift_columns, 0, size.width - 1);
        *target++ = static_cast<float>(line[column * walk.column_step]) / kScale;
      }
    }
  }
  if (transform.gain != 1.0 || transform.offset != 0.0 || transform.noise > 0.0) change_values(out, transform);
}

}  // namespace pulmo::training
