#include "pipeline/run/sample_statistics.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <vector>

#include "pipeline/inspection/measures.h"

namespace pulmo::pipeline {
namespace {

constexpr const char* kSeries = "series";
constexpr const char* kNodules = "nodules";
constexpr int kPixelStep = 4;

std::string scanner_of(const CtSeries& series) {
  if (series.manufacturer.empty() && series.model.empty()) return "unknown";
  if (series.manufacturer.empty() || series.model.empty()) return series.manufacturer + series.model;
  return series.manufacturer + " " + series.model;
}

}  // namespace

void count_series(const ReadSeries& read, MalignancyRule rule, Statistics& statistics) {
  const CtSeries& series = read.series;
  ++statistics.scanners[scanner_of(series)];
  statistics.add(measure::kPixelSpacing, kSeries, series.row_spacing_mm);
  if (series.slice_thickness_mm > 0.0) statistics.add(measure::kSliceThickness, kSeries, series.slice_thickness_mm);
  statistics.add(measure::kSliceSpacing, kSeries, series.slice_spacing_mm);
  statistics.add(measure::kSlicesOfSeries, kSeries, static_cast<double>(series.slices.size()));
  for (const Nodule& nodule : read.marks.nodules) {
    statistics.add(measure::kMalignancy, kNodules, consensus_malignancy(nodule.malignancies(), rule));
    statistics.add(measure::kReaders, kNodules, static_cast<double>(nodule.readers()));
  }
}

void count_pixels(const Slice& slice, const std::string& class_name, Statistics& statistics) {
  const Measure& pixels = slice.kind == PixelKind::kHounsfield ? measure::kPixelsHu : measure::kPixelsGrey;
  const auto low = std::lround(pixels.low / pixels.bin);
  const auto high = std::lround(pixels.high / pixels.bin);
  const auto per_value = static_cast<float>(1.0 / pixels.bin);
  const auto least = static_cast<float>(low);
  const auto most = static_cast<float>(high);
  std::vector<std::int64_t> counts(static_cast<std::size_t>(high - low + 1), 0);
  for (int y = 0; y < slice.pixels.rows; y += kPixelStep) {
    const auto* row = slice.pixels.ptr<float>(y);
    for (int x = 0; x < slice.pixels.cols; x += kPixelStep) {
      const float bin = std::min(row[x] * per_value, most);
      if (!(bin >= least)) continue;                                           // NaN, too
      const auto nearest = static_cast<long>(bin + std::copysign(0.5F, bin));  // std::lround() is a call
      ++counts[static_cast<std::size_t>(nearest - low)];
    }
  }
  for (std::size_t i = 0; i < counts.size(); ++i) {
    statistics.add(pixels, class_name, (static_cast<double>(low) + static_cast<double>(i)) * pixels.bin, counts[i]);
  }
}

void count_preprocessed(const PreprocessedSlice& done, const PreprocessSpec& spec, const std::string& class_name,
                        Statistics& statistics) {
  statistics.add(measure::kMeanIntensity, class_name, done.mean_intensity);
  if (spec.mask == LungMasking::kLungs) statistics.add(measure::kLungFraction, class_name, done.lung_fraction);
}

}  // namespace pulmo::pipeline
