#include <gtest/gtest.h>

#include <opencv2/core.hpp>

#include "core/image/lung_segmentation.h"
#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "tests/core/image/expect_refused.h"
#include "tests/core/image/golden.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using testing::GoldenJob;
using testing::GoldenResult;
using testing::zip_members;

std::filesystem::path archive(const char* name) {
  return testing::real_data_dir() / name;
}

// Where one slice's lungs are, empty where there are none.
struct Found {
  Slice slice;
  PreprocessedSlice result;
};

Found find_lungs(const Bytes& bytes, const std::string& name, const PreprocessSpec& spec) {
  Found found;
  found.slice = decode_slice(bytes, name);
  try {
    found.result = preprocess(found.slice, spec);
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "no_lung") << name;
  }
  return found;
}

void expect_golden(const char* archive_name, std::size_t step) {
  const std::vector<std::string> names = zip_members(archive(archive_name), ".dcm");
  PreprocessSpec spec;
  spec.min_lung_fraction = 0.0;
  std::vector<GoldenJob> jobs;
  for (std::size_t i = 0; i < names.size(); i += step) {
    jobs.push_back({archive(archive_name).string() + "!" + names[i], false, spec});
  }
  const std::vector<GoldenResult> expected = testing::run_golden(jobs);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string& name = names[i * step];
    const Found found = find_lungs(testing::read_zip_member(archive(archive_name), name), name, spec);
    EXPECT_EQ(cv::norm(found.slice.pixels, expected[i].pixels, cv::NORM_INF), 0.0) << name;
    if (found.result.image.empty()) {
      EXPECT_EQ(cv::countNonZero(expected[i].lungs), 0) << name;
      continue;
    }
    EXPECT_GE(testing::dice(found.result.lungs, expected[i].lungs), 0.99) << name;
    EXPECT_LE(testing::mean_difference(found.result.image, expected[i].image), 1.0 / 255.0) << name;
  }
}

TEST(RealSlices, OfLidcAgreeWithTheSecondImplementation) {
  expect_golden("lidc-idri-0001.zip", 6);
}

TEST(RealSlices, OfOtherScannersAgreeWithTheSecondImplementation) {
  expect_golden("other-scanners.zip", 1);
}

TEST(RealSlices, LosslessSyntaxesDecodeBitForBitAlike) {
  const std::vector<std::string> names = zip_members(archive("dicom-syntaxes.zip"), ".dcm");
  cv::Mat reference;
  int lossless = 0;
  int lossy = 0;
  for (const std::string& name : names) {
    if (name.starts_with("broken/")) {
      continue;
    }
    const Slice slice = decode_slice(testing::read_zip_member(archive("dicom-syntaxes.zip"), name), name);
    const bool exact = name.find("Lossy") == std::string::npos && name.find("JPEG2000Transfer") == std::string::npos &&
                       (name.find("JPEGProcess") == std::string::npos || name.find("14") != std::string::npos);
    if (reference.empty()) {
      ASSERT_TRUE(exact) << name;  // big endian comes first
      reference = slice.pixels;
    }
    cv::Mat difference;
    cv::absdiff(cv::max(slice.pixels, -1000.0), cv::max(reference, -1000.0), difference);
    exact ? ++lossless : ++lossy;
    EXPECT_LE(cv::mean(difference)[0], exact ? 0.0 : 15.0) << name;
  }
  EXPECT_EQ(lossless, 9);
  EXPECT_EQ(lossy, 6);
}

TEST(RealSlices, BrokenFilesAreRefused) {
  for (const std::string& name : zip_members(archive("dicom-syntaxes.zip"), ".dcm")) {
    if (name.starts_with("broken/")) {
      const Bytes bytes = testing::read_zip_member(archive("dicom-syntaxes.zip"), name);
      EXPECT_NE(testing::refusal_of([&] { preprocess(decode_slice(bytes, name), PreprocessSpec{}); }), "") << name;
    }
  }
}

// From the neck to below the last lung, seen by eye: slices 7 to 107 from the top show lung.
TEST(RealSlices, LungsOfLidc0001AreFoundFromApexToBaseOnly) {
  std::vector<std::pair<double, std::string>> by_height;
  const std::filesystem::path zip = archive("lidc-idri-0001.zip");
  for (const std::string& name : zip_members(zip, ".dcm")) {
    by_height.emplace_back(read_dicom_header(testing::read_zip_member(zip, name), name).position_along_normal_mm(),
                           name);
  }
  std::sort(by_height.rbegin(), by_height.rend());
  ASSERT_EQ(by_height.size(), 133U);
  PreprocessSpec spec;
  spec.min_lung_fraction = 0.0;
  for (const std::size_t i : {0U, 2U, 4U, 10U, 14U, 20U, 50U, 80U, 95U, 100U, 112U, 116U, 120U, 124U, 128U, 132U}) {
    const std::string& name = by_height[i].second;
    const Found found = find_lungs(testing::read_zip_member(zip, name), name, spec);
    const bool expected = i >= 7 && i <= 107;
    EXPECT_EQ(!found.result.lungs.empty(), expected) << "slice " << i;
  }
}

}  // namespace
}  // namespace pulmo
