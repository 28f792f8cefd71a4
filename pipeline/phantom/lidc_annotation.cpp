#include "pipeline/phantom/lidc_annotation.h"

#include <array>
#include <cstdio>
#include <pugixml.hpp>
#include <sstream>

namespace pulmo::pipeline::phantom {
namespace {

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), pattern, values...);
  return text.data();
}

/// The habits of the workplaces that took part in LIDC: kept because readers of the format must cope with them.
struct Habit {
  const char* annotation_version;
  const char* reader_id;
  const char* nodule_name;
  const char* height;
};
constexpr std::array<Habit, kReaders> kHabits = {{{"3.12", "101", "Nodule %03zu", "%.6f "},
                                                  {"3.12", "102", "IL057_%zu", "%.1f"},
                                                  {"1.0.3", "103", "%zu", "%.2f"},
                                                  {"3.12", "104", "MI014_%zu", "%.6f"}}};

void add(pugi::xml_node parent, const char* name, const std::string& value) {
  parent.append_child(name).text().set(value.c_str());
}

void add_point(pugi::xml_node parent, const char* name, const cv::Point& point) {
  pugi::xml_node node = parent.append_child(name);
  add(node, "xCoord", std::to_string(point.x));
  add(node, "yCoord", std::to_string(point.y));
}

void add_header(pugi::xml_node root, const ScanUids& uids) {
  pugi::xml_node header = root.append_child("ResponseHeader");
  add(header, "Version", "1.8.1");
  add(header, "MessageId", "1");
  add(header, "DateRequest", "2000-01-01");
  add(header, "TimeRequest", "12:00:00");
  add(header, "RequestingSite", "removed");
  add(header, "ServicingSite", "removed");
  add(header, "TaskDescription", "Second unblinded read");
  add(header, "CtImageFile", "removed");
  add(header, "SeriesInstanceUid", uids.series);
  add(header, "DateService", "2000-01-01");
  add(header, "TimeService", "12:00:00");
  add(header, "ResponseDescription", "1 - Reading complete");
  add(header, "StudyInstanceUID", uids.study);
}

class SessionWriter {
 public:
  SessionWriter(const Patient& patient, const ScanUids& uids, const Habit& habit)
      : patient_(patient), uids_(uids), habit_(habit) {}

  void write(pugi::xml_node root, const Reading& reading) const {
    pugi::xml_node session = root.append_child("readingSession");
    add(session, "annotationVersion", habit_.annotation_version);
    add(session, "servicingRadiologistID", habit_.reader_id);
    std::size_t number = 0;
    for (const NoduleMark& mark : reading.nodules) add_nodule(session, mark, ++number);
    for (const NonNoduleMark& mark : reading.non_nodules) {
      pugi::xml_node node = session.append_child("nonNodule");
      add(node, "nonNoduleID", format(habit_.nodule_name, ++number));
      add_place(node, mark.slice);
      add_point(node, "locus", mark.locus);
    }
  }

 private:
  void add_place(pugi::xml_node node, std::size_t slice) const {
    add(node, "imageZposition", format(habit_.height, dicom_z_mm(patient_, slice)));
    add(node, "imageSOP_UID", uids_.instances[slice]);
  }

  void add_nodule(pugi::xml_node session, const NoduleMark& mark, std::size_t number) const {
    pugi::xml_node node = session.append_child("unblindedReadNodule");
    add(node, "noduleID", format(habit_.nodule_name, number));
    if (mark.ratings) {
      pugi::xml_node ratings = node.append_child("characteristics");
      for (std::size_t i = 0; i < kRatingNames.size(); ++i) {
        add(ratings, kRatingNames[i], std::to_string((*mark.ratings)[i]));
      }
    }
    for (const Contour& contour : mark.contours) {
      pugi::xml_node roi = node.append_child("roi");
      add_place(roi, contour.slice);
      add(roi, "inclusion", "TRUE");
      for (const cv::Point& point : contour.points) add_point(roi, "edgeMap", point);
    }
  }

  const Patient& patient_;
  const ScanUids& uids_;
  const Habit& habit_;
};

}  // namespace

std::string lidc_xml(const Patient& patient, const ScanUids& uids, const Readings& readings) {
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  declaration.append_attribute("encoding") = "UTF-8";
  pugi::xml_node root = document.append_child("LidcReadMessage");
  root.append_attribute("uid") = (uids.series + ".1").c_str();
  root.append_attribute("xmlns") = "http://www.nih.gov";
  root.append_attribute("xmlns:xsi") = "http://www.w3.org/2001/XMLSchema-instance";
  root.append_attribute("xsi:schemaLocation") =
      "http://www.nih.gov http://troll.rad.med.umich.edu/lidc/LidcReadMessage.xsd";
  add_header(root, uids);
  for (std::size_t reader = 0; reader < kReaders; ++reader) {
    SessionWriter(patient, uids, kHabits[reader]).write(root, readings[reader]);
  }
  std::ostringstream text;
  document.save(text, "  ");
  return text.str();
}

}  // namespace pulmo::pipeline::phantom
