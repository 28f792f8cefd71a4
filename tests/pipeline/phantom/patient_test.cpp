#include "pipeline/phantom/patient.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <opencv2/core.hpp>
#include <set>

#include "pipeline/phantom/thorax.h"

namespace pulmo::pipeline::phantom {
namespace {

TEST(Findings, OfEveryEightPatientsFourAreMalignantOneOfThemBenignToo) {
  int malignant = 0;
  int both = 0;
  int none = 0;
  for (int i = 0; i < 16; ++i) {
    const Findings findings = findings_of(5, i);
    malignant += findings.malignant ? 1 : 0;
    both += findings.malignant && findings.benign ? 1 : 0;
    none += !findings.malignant && !findings.benign ? 1 : 0;
  }
  EXPECT_EQ(malignant, 8);
  EXPECT_EQ(both, 2);
  EXPECT_EQ(none, 4);
}

TEST(Patient, ThreePatientsInARowMeetThreeScanners) {
  std::set<std::string> models;
  for (int i = 0; i < 3; ++i) models.insert(make_patient(1, i, 64, 10).scanner.model);
  EXPECT_EQ(models, (std::set<std::string>{"A", "B", "C"}));
}

TEST(Patient, IsAFunctionOfSeedAndIndex) {
  const Patient first = make_patient(1, 4, 64, 10);
  const Patient again = make_patient(1, 4, 64, 10);
  const Patient other_seed = make_patient(2, 4, 64, 10);
  EXPECT_EQ(first.anatomy.height_mm, again.anatomy.height_mm);
  EXPECT_EQ(first.lung_branches.size(), again.lung_branches.size());
  EXPECT_NE(first.anatomy.height_mm, other_seed.anatomy.height_mm);
  EXPECT_NE(first.anatomy.height_mm, make_patient(1, 5, 64, 10).anatomy.height_mm);
}

TEST(Patient, SlicesAreSpreadOverTheSameRangeWhenTheirNumberIsGiven) {
  const Patient many = make_patient(1, 0, 64, 0);
  const Patient few = make_patient(1, 0, 64, 12);
  ASSERT_EQ(few.scan.z_mm.size(), 12U);
  EXPECT_NEAR(few.scan.z_mm.front(), many.scan.z_mm.front(), 1e-9);
  EXPECT_NEAR(few.scan.z_mm.back(), many.scan.z_mm.back(), 4.0);
  EXPECT_LE(few.scan.thickness_mm, few.scan.step_mm);
  EXPECT_GE(many.scan.z_mm.size(), 24U);
  EXPECT_LE(many.scan.z_mm.size(), 54U);
}

TEST(Patient, NodulesLieInTheLungs) {
  for (int index = 0; index < 8; ++index) {
    const Patient patient = make_patient(9, index, 256, 24);
    for (const Lesion& lesion : patient.lesions) {
      View view = view_of(patient.anatomy, patient.scan, 0);
      view.z_mm = lesion.centre.z;
      const cv::Mat tissues = paint_tissues(patient.anatomy, view);
      const cv::Point2d at = view.to_pixel({lesion.centre.x, lesion.centre.y}, lesion.centre.z);
      EXPECT_EQ(tissues.at<unsigned char>(cvRound(at.y), cvRound(at.x)), static_cast<int>(Tissue::kLung))
          << patient.id << " " << to_string(lesion.kind);
    }
  }
}

TEST(Patient, LesionsKeepClearOfEachOther) {
  for (int index = 0; index < 8; ++index) {
    const Patient patient = make_patient(9, index, 128, 24);
    for (std::size_t i = 0; i < patient.lesions.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const Lesion& a = patient.lesions[i];
        const Lesion& b = patient.lesions[j];
        EXPECT_GT(cv::norm(a.centre - b.centre), a.reach_mm() + b.reach_mm());
      }
    }
  }
}

}  // namespace
}  // namespace pulmo::pipeline::phantom
