// Slices per second and core on the way from file to model input. Give it slices to measure on those:
//   image_bench [--benchmark_...] [SLICE.dcm ...]
// Without any it draws one of 512 x 512 pixels.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <iostream>
#include <opencv2/core.hpp>
#include <vector>

#include "core/image/lung_segmentation.h"
#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "tests/core/image/chest_slice.h"
#include "tests/core/image/dicom_builder.h"

namespace pulmo {
namespace {

Bytes drawn_dicom() {
  constexpr int kSide = 512;
  const Slice slice = testing::chest_slice({.rows = kSide, .columns = kSide});
  std::vector<std::int16_t> values;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      values.push_back(static_cast<std::int16_t>(slice.pixels.at<float>(y, x) + 1024.0F));
    }
  }
  testing::DicomBuilder builder;
  return builder.number(0x00280010, kSide).number(0x00280011, kSide).pixels(values).file();
}

std::vector<Bytes>& files() {
  static std::vector<Bytes> loaded;
  return loaded;
}

PreprocessSpec any_lung() {
  PreprocessSpec spec;
  spec.min_lung_fraction = 0.0;
  return spec;
}

template <typename Work>
void for_each_file(benchmark::State& state, Work work) {
  std::size_t i = 0;
  for (auto _ : state) {
    work(files()[i % files().size()]);
    ++i;
  }
  state.SetItemsProcessed(state.iterations());
}

void decode_and_preprocess(benchmark::State& state) {
  for_each_file(state, [](const Bytes& bytes) {
    try {
      benchmark::DoNotOptimize(preprocess(decode_slice(bytes, "slice"), any_lung()).mean_intensity);
    } catch (const std::exception&) {
      // No lung in this one: the work was done all the same.
    }
  });
}
BENCHMARK(decode_and_preprocess)->Unit(benchmark::kMillisecond)->UseRealTime()->ThreadRange(1, 4);

void decode(benchmark::State& state) {
  for_each_file(state, [](const Bytes& bytes) { benchmark::DoNotOptimize(decode_slice(bytes, "slice").pixels.data); });
}
BENCHMARK(decode)->Unit(benchmark::kMillisecond);

void preprocess_without_mask(benchmark::State& state) {
  PreprocessSpec spec;
  spec.mask = LungMasking::kNone;
  const Slice slice = decode_slice(files().front(), "slice");
  for (auto _ : state) {
    benchmark::DoNotOptimize(preprocess(slice, spec).mean_intensity);
  }
}
BENCHMARK(preprocess_without_mask)->Unit(benchmark::kMillisecond);

void segment(benchmark::State& state) {
  PreprocessSpec spec;
  spec.mask = LungMasking::kNone;
  cv::Mat image;
  preprocess(decode_slice(files().front(), "slice"), spec).image.convertTo(image, CV_32F, 1.0 / 65535.0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(segment_lungs(image, std::nullopt).data);
  }
}
BENCHMARK(segment)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pulmo

int main(int argc, char** argv) {
  cv::setNumThreads(1);  // figures are per core
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    pulmo::files().push_back(pulmo::read_file(argv[i]));
  }
  if (pulmo::files().empty()) {
    pulmo::files().push_back(pulmo::drawn_dicom());
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
