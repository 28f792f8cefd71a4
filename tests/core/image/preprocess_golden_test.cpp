#include <gtest/gtest.h>

#include <opencv2/core.hpp>

#include "core/image/lung_segmentation.h"
#include "core/image/slice_decoder.h"
#include "tests/core/image/chest_slice.h"
#include "tests/core/image/golden.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

using testing::chest_slice;
using testing::ChestOptions;
using testing::GoldenJob;
using testing::GoldenResult;

struct Case {
  Slice slice;
  PreprocessSpec spec;
};

Case with(const ChestOptions& options, const std::function<void(PreprocessSpec&)>& change = {}) {
  Case made{chest_slice(options), {}};
  made.spec.min_lung_fraction = 0.0;
  if (change) {
    change(made.spec);
  }
  return made;
}

Case as_grey(Case made) {
  made.slice.kind = PixelKind::kGrey;
  made.slice.pixels = made.slice.pixels / 1600.0 + 0.7;
  return made;
}

// Every number of the spec and every branch of the segmentation at least once.
std::vector<Case> all_cases() {
  std::vector<Case> cases;
  cases.push_back(with({}));
  cases.push_back(with({.rows = 512, .columns = 512, .seed = 2}));
  cases.push_back(with({.rows = 200, .columns = 300, .seed = 3}));
  cases.push_back(with({.rows = 301, .columns = 256, .seed = 4}));
  cases.push_back(with({.rows = 160, .columns = 160, .seed = 5}));  // grows
  cases.push_back(with({.nodule_radius = 0.04, .seed = 6}));
  cases.push_back(with({.touching_lungs = true, .seed = 7}));
  cases.push_back(with({.table = false, .bowel_gas = true, .seed = 8}));
  cases.push_back(with({.noise_hu = 90.0, .seed = 9}));
  cases.push_back(as_grey(with({.seed = 10})));
  cases.push_back(with({.seed = 11}, [](PreprocessSpec& spec) { spec.threshold = 0.3; }));
  cases.push_back(with({.seed = 12}, [](PreprocessSpec& spec) { spec.size_px = 128; }));
  cases.push_back(with({.seed = 13}, [](PreprocessSpec& spec) { spec.gaussian_sigma_px = 2.3; }));
  cases.push_back(with({.seed = 14}, [](PreprocessSpec& spec) { spec.gaussian_sigma_px = 0.0; }));
  cases.push_back(with({.seed = 15}, [](PreprocessSpec& spec) { spec.window_low_hu = -1350.0; }));
  cases.push_back(with({.rows = 270, .columns = 310, .seed = 16}, [](PreprocessSpec& spec) {
    spec.mask = LungMasking::kNone;
    spec.crop_px = 49;
    spec.size_px = 96;
  }));
  cases.push_back(with({.rows = 90, .columns = 77, .seed = 17}, [](PreprocessSpec& spec) {
    spec.mask = LungMasking::kNone;
    spec.crop_px = 100;
    spec.size_px = 64;
  }));
  return cases;
}

TEST(PreprocessGolden, AgreesWithNumPyAndSciPy) {
  const testing::TempDir folder;
  const std::vector<Case> cases = all_cases();
  std::vector<GoldenJob> jobs;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::filesystem::path file = folder / (std::to_string(i) + ".npy");
    testing::write_npy(file, cases[i].slice.pixels);
    jobs.push_back({file.string(), cases[i].slice.kind == PixelKind::kGrey, cases[i].spec});
  }
  const std::vector<GoldenResult> expected = testing::run_golden(jobs);
  ASSERT_EQ(expected.size(), cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const PreprocessedSlice result = preprocess(cases[i].slice, cases[i].spec);
    ASSERT_EQ(result.image.size(), expected[i].image.size()) << "case " << i;
    EXPECT_GE(testing::dice(result.lungs, expected[i].lungs), 0.99) << "case " << i;
    EXPECT_LE(testing::mean_difference(result.image, expected[i].image), 1.0 / 255.0) << "case " << i;
    // Where both found lung, only float rounding is left.
    const cv::Mat both = result.lungs & expected[i].lungs;
    EXPECT_LE(cv::norm(result.image, expected[i].image, cv::NORM_INF, both), 2.0) << "case " << i;
  }
}

}  // namespace
}  // namespace pulmo
