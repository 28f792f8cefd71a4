#include "pipeline/input/image_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string problem_of(std::string_view text) {
  try {
    parse_image_manifest(text, "m.csv", "b");
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "csv");
    return error.what();
  }
  return "no problem";
}

TEST(ImageManifest, PutsThePositiveLabelLastAmongTheSorted) {
  const auto manifest =
      parse_image_manifest("path,label,patient\na,normal,1\nb,malignant,2\nc,benign,3\n", "m.csv", "malignant");
  EXPECT_THAT(manifest.class_names, ElementsAre("benign", "normal", "malignant"));
}

TEST(ImageManifest, TakesThePictureAsItsOwnGroupWhereNoneIsNamed) {
  const auto manifest =
      parse_image_manifest("mask,group,patient,label,path\n,g1,p,a,x.png\nm.png,,p,b,y.png\n", "m.csv", "b");
  EXPECT_EQ(manifest.rows[0].group, "g1");
  EXPECT_EQ(manifest.rows[1].group, "y.png");
  EXPECT_EQ(manifest.rows[1].mask, "m.png");
  EXPECT_TRUE(manifest.has_masks);
}

TEST(ImageManifest, RefusesAMissingColumn) {
  EXPECT_THAT(problem_of("path,label\na,b\n"), HasSubstr("'patient' is missing"));
}

TEST(ImageManifest, RefusesAnEmptyField) {
  EXPECT_THAT(problem_of("path,label,patient\na,b,c\nd,,e\n"), HasSubstr("m.csv:3: the label is empty"));
}

TEST(ImageManifest, RefusesTextThatIsNotUtf8WithoutRepeatingIt) {
  const std::string problem = problem_of("path,label,patient\na,b,c\nd,e,M\xfcller\n");
  EXPECT_THAT(problem, HasSubstr("m.csv:3: the patient is no UTF-8 text"));
  EXPECT_THAT(problem, ::testing::Not(HasSubstr("ller")));
}

TEST(ImageManifest, RefusesAPictureThatIsListedTwice) {
  EXPECT_THAT(problem_of("path,label,patient\na,b,c\na,d,e\n"),
              HasSubstr("m.csv:3: the picture a is listed in line 2"));
}

TEST(ImageManifest, RefusesAGroupOfTwoPatientsWithoutNamingThem) {
  const std::string problem = problem_of("path,label,patient,group\na,b,Jane,g\nc,d,Joe,g\n");
  EXPECT_THAT(problem, HasSubstr("another patient in line 2"));
  EXPECT_THAT(problem, ::testing::Not(HasSubstr("Jane")));
}

TEST(ImageManifest, RefusesASingleLabel) {
  EXPECT_THAT(problem_of("path,label,patient\na,b,c\nd,b,e\n"), HasSubstr("the only label is 'b'"));
}

TEST(ImageManifest, RefusesLabelsWithoutThePositiveOneAndNamesThose) {
  EXPECT_THAT(problem_of("path,label,patient\na,B,c\nd,e,f\n"),
              HasSubstr("no label is 'b', the class that precision, recall and ROC are about; set "
                        "images.positive_class to one of 'B', 'e'"));
}

TEST(ImageManifest, RefusesNoPicturesAtAll) {
  EXPECT_THAT(problem_of("path,label,patient\n"), HasSubstr("no pictures"));
}

TEST(ImageManifest, ResolvesPathsAgainstTheFolderOfTheManifest) {
  EXPECT_EQ(resolved("data/m.csv", "a.zip!x/1.png"), "data/a.zip!x/1.png");
  EXPECT_EQ(resolved("data/m.csv", "/abs/1.png"), "/abs/1.png");
  EXPECT_EQ(container_of("data/a.zip!x/1.png"), "data/a.zip");
  EXPECT_EQ(container_of("data/A.ZIP!x/1.png"), "data/A.ZIP");
  EXPECT_EQ(container_of("data!/a.zip!x!/1.png"), "data!/a.zip");
  EXPECT_EQ(container_of("data/1.png"), "data/1.png");
}

}  // namespace
}  // namespace pulmo::pipeline
