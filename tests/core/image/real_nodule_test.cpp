#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>

#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "tests/core/image/golden.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

// The mass of LIDC-IDRI-0001 lies against the pleura: a mask by threshold alone would cut it off.
TEST(RealNodule, LiesInsideTheLungMaskOnEverySlice) {
  const std::filesystem::path series = testing::real_data_dir() / "lidc-idri-0001.zip";
  const testing::TempDir folder;
  const testing::ProcessResult done = testing::run_process(
      {testing::python().string(), (testing::source_dir() / "tests/golden/lidc_nodule_image_golden.py").string(),
       series.string(), (testing::real_data_dir() / "lidc-xml.zip").string(), "tcia-lidc-xml/185/069.xml",
       folder.path().string()});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const auto names = nlohmann::json::parse(read_text_file(folder / "slices.json"));
  ASSERT_EQ(names.size(), 9U);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string name = names[i];
    const Slice slice = decode_slice(testing::read_zip_member(series, name), name);
    const PreprocessedSlice result = preprocess(slice, PreprocessSpec{});
    const Bytes raw = read_file(folder / (std::to_string(i) + ".mask"));
    cv::Mat readers(slice.pixels.size(), CV_8UC1);
    ASSERT_EQ(raw.size(), readers.total());
    std::memcpy(readers.data, raw.data(), raw.size());
    const cv::Mat nodule = preprocess_mask(readers, PreprocessSpec{});  // any reader's outline
    EXPECT_GT(cv::countNonZero(nodule), 15) << name;
    EXPECT_EQ(cv::countNonZero(nodule & (result.lungs == 0)), 0) << name;
  }
}

}  // namespace
}  // namespace pulmo
