#include "pipeline/phantom/anatomy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "pipeline/phantom/slice_renderer.h"
#include "pipeline/phantom/thorax.h"

namespace pulmo::pipeline::phantom {
namespace {

/// The median CT number of what a tissue covers, its border left out where it is wide enough to have an inside.
double median_of(const cv::Mat& hu, const cv::Mat& tissues, Tissue tissue, int border) {
  cv::Mat mask = tissues == static_cast<int>(tissue);
  if (border > 0) cv::erode(mask, mask, cv::Mat(), {-1, -1}, border, cv::BORDER_CONSTANT, cv::Scalar(0));
  std::vector<float> values;
  for (int row = 0; row < hu.rows; ++row) {
    for (int column = 0; column < hu.cols; ++column) {
      if (mask.at<unsigned char>(row, column) != 0) values.push_back(hu.at<float>(row, column));
    }
  }
  if (values.size() < 200)  // a mere edge
    return std::nan("");
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
  return static_cast<double>(values[values.size() / 2]);
}

struct Range {
  Tissue tissue;
  double low, high;  // HU
  int border;
};

/// Textbook ranges, contrast medium allowed for.
const std::vector<Range> kRanges = {
    {Tissue::kAir, -1010, -985, 3},    {Tissue::kLung, -950, -760, 3},    {Tissue::kFat, -130, -70, 2},
    {Tissue::kMuscle, 30, 90, 3},      {Tissue::kMyocardium, 20, 130, 3}, {Tissue::kArterialBlood, 25, 330, 4},
    {Tissue::kCortical, 200, 1000, 0}, {Tissue::kMarrow, 80, 450, 3},     {Tissue::kAirwayLumen, -1010, -930, 3},
    {Tissue::kLiver, 35, 130, 4},
};

class AnatomyOfEachScanner : public ::testing::TestWithParam<int> {};

TEST_P(AnatomyOfEachScanner, OrgansHavePlausibleCtNumbers) {
  const Patient patient = make_patient(21, GetParam(), 512, 14);
  const SliceRenderer renderer(patient);
  std::map<Tissue, int> found;
  for (std::size_t slice = 2; slice < 14; slice += 3) {
    const cv::Mat tissues = paint_tissues(patient.anatomy, view_of(patient.anatomy, patient.scan, slice));
    const cv::Mat hu = renderer.render(slice);
    for (const Range& range : kRanges) {
      const double median = median_of(hu, tissues, range.tissue, range.border);
      if (std::isnan(median)) continue;
      ++found[range.tissue];
      EXPECT_GE(median, range.low) << "tissue " << static_cast<int>(range.tissue) << " slice " << slice;
      EXPECT_LE(median, range.high) << "tissue " << static_cast<int>(range.tissue) << " slice " << slice;
    }
  }
  for (const Range& range : kRanges) EXPECT_GT(found[range.tissue], 0) << static_cast<int>(range.tissue);
}

TEST_P(AnatomyOfEachScanner, LungsGrowFromNothingAndEndInANarrowRim) {
  const Patient patient = make_patient(21, GetParam(), 128, 0);
  std::vector<int> lung;
  for (std::size_t i = 0; i < patient.scan.z_mm.size(); ++i) {
    const cv::Mat tissues = paint_tissues(patient.anatomy, view_of(patient.anatomy, patient.scan, i));
    lung.push_back(cv::countNonZero(tissues == static_cast<int>(Tissue::kLung)));
  }
  const int most = *std::max_element(lung.begin(), lung.end());
  EXPECT_EQ(lung.front(), 0);
  EXPECT_LT(lung.back(), most / 4);
  EXPECT_GT(most, 128 * 128 / 8);
}

TEST_P(AnatomyOfEachScanner, BothLungsAreThere) {
  const Patient patient = make_patient(21, GetParam(), 128, 14);
  const cv::Mat tissues = paint_tissues(patient.anatomy, view_of(patient.anatomy, patient.scan, 6));
  cv::Mat labels;
  cv::Mat stats;
  cv::Mat centres;
  const cv::Mat lung = tissues == static_cast<int>(Tissue::kLung);
  const int parts = cv::connectedComponentsWithStats(lung, labels, stats, centres);
  int large = 0;
  for (int i = 1; i < parts; ++i) large += stats.at<int>(i, cv::CC_STAT_AREA) > 400 ? 1 : 0;
  EXPECT_EQ(large, 2);
}

TEST_P(AnatomyOfEachScanner, EverySliceThroughTheLungsCutsSeveralRibs) {
  const Patient patient = make_patient(21, GetParam(), 256, 14);
  for (std::size_t slice = 3; slice < 12; ++slice) {
    const View view = view_of(patient.anatomy, patient.scan, slice);
    cv::Mat bones = cv::Mat::zeros(256, 256, CV_8UC1);
    for (const Tube& tube : patient.anatomy.bones) {
      if (tube.core == Tissue::kMarrow) fill(bones, view, tube.capsules, 0.0, Tissue::kCortical);
    }
    cv::Mat labels;
    EXPECT_GE(cv::connectedComponents(bones, labels) - 1, 4) << "slice " << slice;
  }
}

INSTANTIATE_TEST_SUITE_P(Phantom, AnatomyOfEachScanner, ::testing::Values(0, 1, 2));

}  // namespace
}  // namespace pulmo::pipeline::phantom
