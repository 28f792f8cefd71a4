#include "pipeline/lidc/lidc_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kHeader =
    "<LidcReadMessage xmlns='http://www.nih.gov'><ResponseHeader><SeriesInstanceUid> 1.2.3\n</SeriesInstanceUid>"
    "<DateService>2008-08-18</DateService><TimeService>02:05:51</TimeService></ResponseHeader>";

std::string edge(int x, int y) {
  return "<edgeMap><xCoord>" + std::to_string(x) + "</xCoord><yCoord> " + std::to_string(y) + " </yCoord></edgeMap>";
}

std::string roi(const std::string& edges, const std::string& inclusion = "TRUE") {
  return "<roi><imageZposition>-125.500000 </imageZposition><imageSOP_UID>9.8</imageSOP_UID><inclusion>" + inclusion +
         "</inclusion>" + edges + "</roi>";
}

std::string characteristics(const std::string& lobulation, const std::string& malignancy) {
  return "<characteristics><subtlety>5</subtlety><internalStructure>1</internalStructure>"
         "<calcification>6</calcification><sphericity>3</sphericity><margin>3</margin><lobulation>" +
         lobulation + "</lobulation><spiculation>4</spiculation><texture>5</texture><malignancy>" + malignancy +
         "</malignancy></characteristics>";
}

std::string nodule(const std::string& inside) {
  return "<readingSession><unblindedReadNodule><noduleID> N1 </noduleID>" + inside +
         "</unblindedReadNodule></readingSession>";
}

LidcReading parse(const std::string& sessions) {
  return parse_lidc_xml(as_bytes(kHeader + sessions + "</LidcReadMessage>"), "r.xml").value();
}

std::string reason_of(const std::string& xml) {
  try {
    parse_lidc_xml(as_bytes(xml), "r.xml");
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("r.xml"));
    return error.reason();
  }
  return "none";
}

TEST(LidcXml, ReadsContoursAndRatingsThroughWhitespace) {
  const LidcReading reading =
      parse(nodule(characteristics("2", "4") + roi(edge(3, 7) + edge(4, 8)) + roi(edge(1, 1) + edge(2, 2), " FALSE ")));
  EXPECT_EQ(reading.series_uid, "1.2.3");
  EXPECT_EQ(reading.serviced, "2008-08-18 02:05:51");
  const LidcNoduleMark& mark = reading.sessions.at(0).nodules.at(0);
  EXPECT_EQ(mark.id, "N1");
  EXPECT_EQ(mark.ratings->malignancy(), 4);
  EXPECT_EQ((*mark.ratings)[Characteristic::kCalcification], 6);
  EXPECT_EQ(mark.rois.at(0).z_mm, -125.5);
  EXPECT_EQ(mark.rois.at(0).sop_uid, "9.8");
  EXPECT_THAT(mark.rois.at(0).outline, ElementsAre(cv::Point(3, 7), cv::Point(4, 8)));
  EXPECT_TRUE(mark.rois.at(0).inclusion);
  EXPECT_FALSE(mark.rois.at(1).inclusion);
  EXPECT_TRUE(mark.rated());
}

TEST(LidcXml, TakesAPointWithoutRatingsAsASmallNodule) {
  const LidcReading reading = parse(nodule(roi(edge(3, 7))));
  EXPECT_FALSE(reading.sessions[0].nodules[0].outlined());
  EXPECT_FALSE(reading.sessions[0].nodules[0].rated());
}

TEST(LidcXml, TakesZeroBlankAndAbsentRatingsAsNotRated) {
  const std::string outline = roi(edge(3, 7) + edge(4, 8));
  EXPECT_FALSE(parse(nodule(characteristics("2", "0") + outline)).sessions[0].nodules[0].rated());
  EXPECT_FALSE(parse(nodule(characteristics("", "4") + outline)).sessions[0].nodules[0].rated());
  EXPECT_FALSE(parse(nodule("<characteristics><malignancy>4</malignancy></characteristics>" + outline))
                   .sessions[0]
                   .nodules[0]
                   .rated());
  EXPECT_FALSE(parse(nodule(outline)).sessions[0].nodules[0].rated());
}

TEST(LidcXml, ReadsNonNodules) {
  const LidcReading reading = parse(
      "<readingSession><nonNodule><nonNoduleID>1</nonNoduleID><imageZposition>7</imageZposition>"
      "<imageSOP_UID>9.9</imageSOP_UID><locus><xCoord>10</xCoord><yCoord>20</yCoord></locus></nonNodule>"
      "</readingSession>");
  ASSERT_EQ(reading.sessions.at(0).non_nodules.size(), 1U);
  EXPECT_EQ(reading.sessions[0].non_nodules[0].locus, cv::Point(10, 20));
  EXPECT_EQ(reading.sessions[0].non_nodules[0].z_mm, 7.0);
}

TEST(LidcXml, SkipsRadiographReadingsByTheirRoot) {
  const std::string xml =
      "<IdriReadMessage xmlns='http://www.nih.gov/idri'><ResponseHeader><SeriesInstanceUID>1.2</SeriesInstanceUID>"
      "</ResponseHeader></IdriReadMessage>";
  EXPECT_EQ(parse_lidc_xml(as_bytes(xml), "r.xml"), std::nullopt);
}

TEST(LidcXml, RefusesWhatIsNoXmlAndWhatIsTruncated) {
  EXPECT_EQ(reason_of("not xml at all"), "malformed_xml");
  EXPECT_EQ(reason_of(kHeader), "malformed_xml");
  EXPECT_EQ(reason_of(""), "malformed_xml");
}

TEST(LidcXml, RefusesAnotherRoot) {
  EXPECT_EQ(reason_of("<html><body/></html>"), "not_lidc_xml");
}

TEST(LidcXml, RefusesAReadingWithoutSeries) {
  EXPECT_EQ(reason_of("<LidcReadMessage><ResponseHeader/></LidcReadMessage>"), "malformed_xml");
}

TEST(LidcXml, RefusesAContourWithoutNumbers) {
  const auto with = [](const std::string& inside) { return kHeader + nodule(inside) + "</LidcReadMessage>"; };
  EXPECT_EQ(reason_of(with(roi("<edgeMap><xCoord>a</xCoord><yCoord>1</yCoord></edgeMap>"))), "malformed_xml");
  EXPECT_EQ(reason_of(with(roi("<edgeMap><xCoord>1</xCoord></edgeMap>"))), "malformed_xml");
  EXPECT_EQ(reason_of(with(roi(edge(1, 2147483647)))), "malformed_xml");
  EXPECT_EQ(reason_of(with("<roi><imageZposition>nan</imageZposition></roi>")), "malformed_xml");
}

TEST(LidcXml, DoesNotExpandEntities) {
  std::string xml = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">";
  for (char c = 'b'; c < 'k'; ++c) {
    const std::string before(1, static_cast<char>(c - 1));
    xml += std::string("<!ENTITY ") + c + " \"";
    for (int i = 0; i < 10; ++i) xml += "&" + before + ";";
    xml += "\">";
  }
  xml +=
      "]><LidcReadMessage><ResponseHeader><SeriesInstanceUid>&j;</SeriesInstanceUid></ResponseHeader>"
      "</LidcReadMessage>";
  EXPECT_EQ(parse_lidc_xml(as_bytes(xml), "r.xml")->series_uid, "&j;");
}

LidcReading file_with(std::size_t sessions, const std::string& serviced) {
  LidcReading reading;
  reading.sessions.resize(sessions);
  reading.serviced = serviced;
  return reading;
}

TEST(LidcXml, PutsComplementaryFilesOfOneSeriesTogether) {
  EXPECT_EQ(combine_readings({file_with(1, "2008"), file_with(3, "2009")}).sessions.size(), 4U);
}

TEST(LidcXml, ReplacesAFileByItsResubmission) {
  EXPECT_EQ(combine_readings({file_with(3, "2009"), file_with(4, "2008")}).serviced, "2009");
  EXPECT_EQ(combine_readings({file_with(4, "2008"), file_with(3, "2008")}).sessions.size(), 3U);
}

}  // namespace
}  // namespace pulmo::pipeline
