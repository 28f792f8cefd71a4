#include "pipeline/phantom/readings.h"

#include <gtest/gtest.h>

#include <map>
#include <opencv2/imgproc.hpp>
#include <set>

namespace pulmo::pipeline::phantom {
namespace {

/// The pixels inside a contour, without those it runs through.
cv::Mat inside(const Contour& contour, int side) {
  cv::Mat mask = cv::Mat::zeros(side, side, CV_8UC1);
  const std::vector<std::vector<cv::Point>> outlines = {contour.points};
  cv::fillPoly(mask, outlines, cv::Scalar(1));
  for (const cv::Point& point : contour.points) mask.at<unsigned char>(point) = 0;
  return mask;
}

double overlap(const cv::Mat& a, const cv::Mat& b) {
  return 2.0 * cv::countNonZero(a & b) / std::max(1, cv::countNonZero(a) + cv::countNonZero(b));
}

class ReadingsTest : public ::testing::Test {
 protected:
  ReadingsTest() {
    for (int index = 0; index < 6; ++index) patients_.push_back(make_patient(17, index, 384, 30));
  }

  std::vector<Patient> patients_;
};

TEST_F(ReadingsTest, ContoursSurroundTheNoduleAsDrawn) {
  int seen = 0;
  double sum = 0.0;
  for (const Patient& patient : patients_) {
    for (const Reading& reading : read_scan(patient)) {
      for (const NoduleMark& mark : reading.nodules) {
        const Lesion& lesion = patient.lesions[mark.lesion];
        if (lesion.kind != LesionKind::kMalignant) continue;
        for (const Contour& contour : mark.contours) {
          const cv::Mat drawn = lesion_mask(patient, lesion, contour.slice);
          if (cv::countNonZero(drawn) < 60) continue;
          const double dice = overlap(inside(contour, 384), drawn);
          EXPECT_GT(dice, 0.4);  // low only near the poles
          sum += dice;
          ++seen;
        }
      }
    }
  }
  ASSERT_GT(seen, 20);
  EXPECT_GT(sum / seen, 0.85);
}

TEST_F(ReadingsTest, ReadersDisagreeOnBordersAndRatings) {
  int nodules = 0;
  int same_border = 0;
  int same_malignancy = 0;
  for (const Patient& patient : patients_) {
    std::map<std::size_t, std::vector<NoduleMark>> by_lesion;
    for (const Reading& reading : read_scan(patient)) {
      for (const NoduleMark& mark : reading.nodules) {
        if (mark.ratings) by_lesion[mark.lesion].push_back(mark);
      }
    }
    for (const auto& [lesion, marks] : by_lesion) {
      EXPECT_GE(marks.size(), 2U);
      ++nodules;
      same_border += marks[0].contours[0].points == marks[1].contours[0].points ? 1 : 0;
      std::set<int> ratings;
      for (const NoduleMark& mark : marks) ratings.insert(mark.ratings->back());
      same_malignancy += ratings.size() == 1 ? 1 : 0;
    }
  }
  EXPECT_GT(nodules, 6);
  EXPECT_LT(same_border, nodules / 2);
  EXPECT_LT(same_malignancy, nodules);
}

TEST_F(ReadingsTest, SmallNodulesAreOnePointAndScarsAreLoci) {
  int points = 0;
  int loci = 0;
  for (const Patient& patient : patients_) {
    for (const Reading& reading : read_scan(patient)) {
      for (const NoduleMark& mark : reading.nodules) {
        if (patient.lesions[mark.lesion].kind != LesionKind::kSmall) continue;
        EXPECT_FALSE(mark.ratings.has_value());
        ASSERT_EQ(mark.contours.size(), 1U);
        EXPECT_EQ(mark.contours[0].points.size(), 1U);
        ++points;
      }
      for (const NonNoduleMark& mark : reading.non_nodules) {
        EXPECT_EQ(patient.lesions[mark.lesion].kind, LesionKind::kScar);
        ++loci;
      }
    }
  }
  EXPECT_GT(points, 0);
  EXPECT_GT(loci, 0);
}

TEST_F(ReadingsTest, JuxtapleuralNodulesAreOutlinedInsideTheLung) {
  Lesion lesion;
  lesion.kind = LesionKind::kMalignant;
  lesion.radius_mm = 40.0;  // far beyond the lung
  const Patient& patient = patients_[0];
  lesion.centre = {115, 0, patient.scan.z_mm[14]};
  const cv::Mat mask = lesion_mask(patient, lesion, 14);
  const double ball = CV_PI * 1600.0 / (patient.scan.grid.spacing_mm * patient.scan.grid.spacing_mm);
  EXPECT_GT(cv::countNonZero(mask), 0.3 * ball);
  EXPECT_LT(cv::countNonZero(mask), 0.98 * ball);
}

}  // namespace
}  // namespace pulmo::pipeline::phantom
