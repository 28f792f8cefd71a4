#include "pipeline/lidc/lidc_xml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <pugixml.hpp>
#include <utility>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

constexpr std::array<const char*, kCharacteristics> kNames = {
    "subtlety",   "internalStructure", "calcification", "sphericity", "margin",
    "lobulation", "spiculation",       "texture",       "malignancy"};
constexpr std::size_t kReaders = 4;  // of each LIDC scan

std::string_view trimmed(const char* raw) {
  std::string_view text = raw;
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

template <typename Number>
std::optional<Number> number(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class LidcParser {
 public:
  explicit LidcParser(std::string_view name) : name_(name) {}

  LidcReading reading(const pugi::xml_node& root) const {
    const pugi::xml_node header = root.child("ResponseHeader");
    LidcReading result;
    for (const char* spelling : {"SeriesInstanceUid", "SeriesInstanceUID"}) {
      if (result.series_uid.empty()) result.series_uid = trimmed(header.child_value(spelling));
    }
    if (result.series_uid.empty()) refuse("ResponseHeader holds no SeriesInstanceUid");
    result.serviced = std::string(trimmed(header.child_value("DateService")));
    const std::string_view time = trimmed(header.child_value("TimeService"));
    if (!result.serviced.empty() && !time.empty()) result.serviced.append(" ").append(time);
    for (const pugi::xml_node& node : root.children("readingSession")) result.sessions.push_back(session(node));
    return result;
  }

  [[noreturn]] void refuse(const std::string& problem) const {
    throw InvalidInput("malformed_xml", std::string(name_) + ": " + problem);
  }

 private:
  LidcSession session(const pugi::xml_node& node) const {
    LidcSession result;
    result.file = name_;
    for (const pugi::xml_node& mark : node.children("unblindedReadNodule")) result.nodules.push_back(nodule(mark));
    for (const pugi::xml_node& mark : node.children("nonNodule")) {
      result.non_nodules.push_back(
          {position(mark), std::string(trimmed(mark.child_value("imageSOP_UID"))), point(mark.child("locus"))});
    }
    return result;
  }

  LidcNoduleMark nodule(const pugi::xml_node& node) const {
    LidcNoduleMark mark;
    mark.id = trimmed(node.child_value("noduleID"));
    for (const pugi::xml_node& item : node.children("roi")) {
      LidcRoi roi;
      roi.z_mm = position(item);
      roi.sop_uid = trimmed(item.child_value("imageSOP_UID"));
      roi.inclusion = trimmed(item.child_value("inclusion")) != "FALSE";
      for (const pugi::xml_node& edge : item.children("edgeMap")) roi.outline.push_back(point(edge));
      mark.rois.push_back(std::move(roi));
    }
    if (const pugi::xml_node node_ratings = node.child("characteristics")) mark.ratings = ratings(node_ratings);
    return mark;
  }

  static Ratings ratings(const pugi::xml_node& node) {
    Ratings result;
    for (std::size_t i = 0; i < kCharacteristics; ++i) {
      result.values[i] = number<int>(trimmed(node.child_value(kNames[i]))).value_or(0);
    }
    return result;
  }

  double position(const pugi::xml_node& node) const {
    const auto value = number<double>(trimmed(node.child_value("imageZposition")));
    if (!value || !std::isfinite(*value))
      refuse(std::string("a ") + node.name() + " without a number in imageZposition");
    return *value;
  }

  cv::Point point(const pugi::xml_node& node) const {
    const auto x = number<int>(trimmed(node.child_value("xCoord")));
    const auto y = number<int>(trimmed(node.child_value("yCoord")));
    constexpr int kFarAway = 1'000'000;  // keeps later arithmetic far from overflow
    if (!x || !y || std::abs(*x) > kFarAway || std::abs(*y) > kFarAway) {
      refuse(std::string("a ") + node.name() + " without whole numbers in xCoord and yCoord");
    }
    return {*x, *y};
  }

  std::string_view name_;
};

}  // namespace

bool Ratings::complete() const {
  return !off_scale() && std::all_of(values.begin(), values.end(), [](int value) { return value > 0; });
}

bool LidcNoduleMark::outlined() const {
  return std::any_of(rois.begin(), rois.end(), [](const LidcRoi& roi) { return roi.outline.size() > 1; });
}

bool LidcNoduleMark::rated() const {
  return ratings && ratings->complete() && outlined();
}

std::optional<LidcReading> parse_lidc_xml(ByteView xml, std::string_view name) {
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(xml.data(), xml.size(), pugi::parse_default);
  const LidcParser parser(name);
  if (!parsed) parser.refuse(std::string("not well-formed XML: ") + parsed.description());
  const pugi::xml_node root = document.document_element();
  const std::string_view kind = root.name();
  if (kind == "IdriReadMessage") return std::nullopt;
  if (kind != "LidcReadMessage") {
    throw InvalidInput("not_lidc_xml", std::string(name) + ": the root element is '" + std::string(kind) +
                                           "', LidcReadMessage is expected");
  }
  return parser.reading(root);
}

LidcReading combine_readings(std::vector<LidcReading> files) {
  std::size_t sessions = 0;
  for (const LidcReading& file : files) sessions += file.sessions.size();
  if (files.size() > 1 && sessions > kReaders) {
    std::size_t last = 0;
    for (std::size_t i = 1; i < files.size(); ++i) {
      if (files[i].serviced >= files[last].serviced) last = i;
    }
    return std::move(files[last]);
  }
  LidcReading whole = std::move(files.front());
  for (std::size_t i = 1; i < files.size(); ++i) {
    std::move(files[i].sessions.begin(), files[i].sessions.end(), std::back_inserter(whole.sessions));
  }
  return whole;
}

}  // namespace pulmo::pipeline
