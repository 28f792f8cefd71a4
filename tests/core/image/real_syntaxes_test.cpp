// Real files in every transfer syntax and of several scanners, against the tools of the codecs' own makers.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>

#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "tests/core/image/expect_refused.h"
#include "tests/core/image/golden.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

std::filesystem::path syntaxes() {
  return testing::real_data_dir() / "dicom-syntaxes.zip";
}

/// The 15 members that hold a picture; the file's name ends in its transfer syntax.
std::vector<std::string> pictures() {
  std::vector<std::string> names = testing::zip_members(syntaxes(), ".dcm");
  std::erase_if(names, [](const std::string& name) { return name.starts_with("broken/"); });
  return names;
}

std::string syntax_of(const std::string& name) {
  const std::size_t begin = name.rfind('_') + 1;
  return name.substr(begin, name.size() - begin - std::strlen(".dcm"));
}

cv::Mat decode(const std::filesystem::path& archive, const std::string& name) {
  return decode_slice(testing::read_zip_member(archive, name), name).pixels;
}

/// A picture and the tool of its codec that decoded it.
struct Decoded {
  std::string tool;
  cv::Mat pixels;
};

std::vector<Decoded> decode_by_tools(const std::vector<std::string>& names) {
  const testing::TempDir folder;
  std::vector<std::string> argv{testing::python().string(),
                                (testing::source_dir() / "tests/golden/dicom_tools_golden.py").string(),
                                syntaxes().string(), folder.path().string()};
  argv.insert(argv.end(), names.begin(), names.end());
  const testing::ProcessResult done = testing::run_process(argv);
  EXPECT_EQ(done.exit_code, 0) << done.err;
  std::vector<Decoded> result;
  for (const auto& item : nlohmann::json::parse(done.out)) {
    Decoded decoded{item.at(0), cv::Mat(item.at(1).get<int>(), item.at(2).get<int>(), CV_32FC1)};
    const Bytes raw = read_file(folder / (std::to_string(result.size()) + ".pixels"));
    EXPECT_EQ(raw.size(), decoded.pixels.total() * sizeof(float));
    std::memcpy(decoded.pixels.data, raw.data(), std::min(raw.size(), decoded.pixels.total() * sizeof(float)));
    result.push_back(std::move(decoded));
  }
  return result;
}

TEST(RealSyntaxes, DecodeAsTheToolsOfDcmtkAndOpenJpegDo) {
  const std::vector<std::string> names = pictures();
  const std::vector<Decoded> expected = decode_by_tools(names);
  ASSERT_EQ(names.size(), 15U);
  ASSERT_EQ(expected.size(), names.size());
  std::map<std::string, int> tools;
  for (std::size_t i = 0; i < names.size(); ++i) {
    ++tools[expected[i].tool];
    EXPECT_EQ(cv::norm(decode(syntaxes(), names[i]), expected[i].pixels, cv::NORM_INF), 0.0) << names[i];
  }
  EXPECT_EQ(tools, (std::map<std::string, int>{
                       {"dcmconv", 4}, {"dcmdjpeg", 6}, {"dcmdjpls", 2}, {"dcmdrle", 1}, {"opj_decompress", 2}}));
}

// What each lossy codec did to this picture, HU: JPEG-LS promised at most 1, eight bits cannot tell 17 HU apart.
TEST(RealSyntaxes, LossyOnesAreAsFarFromTheOriginalAsTheirCodecAllows) {
  const std::map<std::string, std::pair<double, double>> allowed{
      {"1.2.840.10008.1.2.4.50", {15.0, 70.0}}, {"1.2.840.10008.1.2.4.51", {4.0, 40.0}},
      {"1.2.840.10008.1.2.4.53", {4.0, 40.0}},  {"1.2.840.10008.1.2.4.55", {4.0, 40.0}},
      {"1.2.840.10008.1.2.4.81", {1.0, 1.0}},   {"1.2.840.10008.1.2.4.91", {1.0, 6.0}}};
  std::map<std::string, cv::Mat> pixels;
  for (const std::string& name : pictures()) pixels[syntax_of(name)] = cv::max(decode(syntaxes(), name), -1000.0);
  const cv::Mat& original = pixels.at("1.2.840.10008.1.2.1");
  for (const auto& [syntax, decoded] : pixels) {
    cv::Mat difference;
    cv::absdiff(decoded, original, difference);
    double largest = 0.0;
    cv::minMaxLoc(difference, nullptr, &largest);
    const auto limit = allowed.find(syntax);
    if (limit == allowed.end()) {
      EXPECT_EQ(largest, 0.0) << syntax;
      continue;
    }
    EXPECT_LE(cv::mean(difference)[0], limit->second.first) << syntax;
    EXPECT_LE(largest, limit->second.second) << syntax;
    EXPECT_GT(largest, 0.0) << syntax;
  }
}

// One is a secondary capture without pixels. The other names two transfer syntaxes, its true one in front and another
// among its data, and calls a mammogram a CT: DCMTK and we unpack it, pydicom does not; there is no lung in it.
TEST(RealSyntaxes, BrokenFilesAreRefusedWithTheirReasons) {
  const auto reason_of = [](const char* name) {
    return testing::refusal_of(
        [&] { preprocess(decode_slice(testing::read_zip_member(syntaxes(), name), name), PreprocessSpec{}); });
  };
  EXPECT_EQ(reason_of("broken/GH178.dcm"), "wrong_modality");
  EXPECT_EQ(reason_of("broken/GH1376.dcm"), "no_lung");
}

/// The most frequent value of those in [low, high), in steps of 10 HU: the middle of that step.
double peak(const cv::Mat& pixels, double low, double high) {
  std::map<int, int> counts;
  for (int y = 0; y < pixels.rows; ++y) {
    for (int x = 0; x < pixels.cols; ++x) {
      const double value = pixels.at<float>(y, x);
      if (value >= low && value < high) ++counts[static_cast<int>(std::floor(value / 10.0))];
    }
  }
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? 0.0 : 10.0 * most->first + 5.0;
}

TEST(OtherScanners, AirIsNearMinus1000AndSoftTissueBetween0And100) {
  const std::filesystem::path archive = testing::real_data_dir() / "other-scanners.zip";
  const std::vector<std::string> names = testing::zip_members(archive, ".dcm");
  ASSERT_EQ(names.size(), 10U);
  for (const std::string& name : names) {
    const cv::Mat pixels = decode(archive, name);
    EXPECT_NEAR(peak(pixels, -1020.0, -500.0), -1000.0, 20.0) << name;  // below lies what no detector saw
    const double tissue = peak(pixels, -20.0, 1e6);                     // above fat
    EXPECT_GE(tissue, 0.0) << name;
    EXPECT_LE(tissue, 100.0) << name;
    const double share = cv::countNonZero((pixels >= 0.0) & (pixels <= 100.0)) / static_cast<double>(pixels.total());
    EXPECT_GT(share, 0.05) << name;
  }
}

}  // namespace
}  // namespace pulmo
