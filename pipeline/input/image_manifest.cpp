#include "pipeline/input/image_manifest.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/store/shard.h"
#include "core/support/error.h"
#include "pipeline/input/byte_source.h"
#include "pipeline/input/csv.h"

namespace pulmo::pipeline {
namespace {

[[noreturn]] void refuse(const std::string& name, std::size_t line, const std::string& problem) {
  throw InvalidInput("csv", name + ":" + std::to_string(line) + ": " + problem);
}

/// Refuses rows that contradict each other.
class RowChecker {
 public:
  explicit RowChecker(const std::string& name) : name_(name) {}

  void check(const ImageRow& row) {
    for (const auto& [column, value] :
         {std::pair{"path", &row.path}, {"label", &row.label}, {"patient", &row.patient}}) {
      if (value->empty()) refuse(name_, row.line, std::string("the ") + column + " is empty");
    }
    for (const auto& [column, value] :
         {std::pair{"path", &row.path}, {"label", &row.label}, {"patient", &row.patient}, {"group", &row.group}}) {
      if (!is_text(*value)) {
        refuse(name_, row.line, std::string("the ") + column + " is no UTF-8 text; save the table as UTF-8");
      }
    }
    const auto [path, fresh_path] = lines_.emplace(row.path, row.line);
    if (!fresh_path) {
      refuse(name_, row.line,
             "the picture " + row.path + " is listed in line " + std::to_string(path->second) + " too");
    }
    const auto [group, fresh_group] = patients_.emplace(row.group, std::pair(row.patient, row.line));
    if (!fresh_group && group->second.first != row.patient) {
      refuse(name_, row.line,
             "the group " + row.group + " belongs to another patient in line " + std::to_string(group->second.second));
    }
  }

 private:
  const std::string& name_;
  std::map<std::string, std::size_t> lines_;
  std::map<std::string, std::pair<std::string, std::size_t>> patients_;
};

std::vector<std::string> class_names_of(const ImageManifest& manifest, const std::string& name,
                                        const std::string& positive_class) {
  std::set<std::string> labels;
  for (const ImageRow& row : manifest.rows) labels.insert(row.label);
  if (labels.size() < 2) {
    throw InvalidInput("csv", name + ": the only label is '" + *labels.begin() + "'; at least two are needed");
  }
  if (labels.erase(positive_class) == 0) {
    std::string known;
    for (const std::string& label : labels) known += (known.empty() ? "'" : ", '") + label + "'";
    throw InvalidInput("csv", name + ": no label is '" + positive_class +
                                  "', the class that precision, recall and ROC are about; set images.positive_class to "
                                  "one of " +
                                  known);
  }
  std::vector<std::string> names(labels.begin(), labels.end());
  names.push_back(positive_class);
  return names;
}

}  // namespace

ImageManifest parse_image_manifest(std::string_view text, const std::string& name, const std::string& positive_class) {
  const CsvTable table(text, name);
  const std::size_t path = table.require("path");
  const std::size_t label = table.require("label");
  const std::size_t patient = table.require("patient");
  const auto group = table.find("group");
  const auto mask = table.find("mask");
  ImageManifest manifest;
  RowChecker checker(name);
  for (const CsvRow& row : table.rows()) {
    const auto& f = row.fields;
    ImageRow image{row.line, f[path], f[label], f[patient], group ? f[*group] : "", mask ? f[*mask] : ""};
    if (image.group.empty()) image.group = image.path;
    checker.check(image);
    manifest.has_masks |= !image.mask.empty();
    manifest.rows.push_back(std::move(image));
  }
  if (manifest.rows.empty()) throw InvalidInput("csv", name + ": no pictures are listed");
  manifest.class_names = class_names_of(manifest, name, positive_class);
  return manifest;
}

std::filesystem::path resolved(const std::filesystem::path& manifest, const std::string& path) {
  return manifest.parent_path() / path;  // an absolute path replaces the folder
}

std::filesystem::path container_of(const std::filesystem::path& path) {
  const std::string text = path.string();
  for (auto mark = text.find('!'); mark != std::string::npos; mark = text.find('!', mark + 1)) {
    const std::string_view before = std::string_view(text).substr(0, mark);
    if (has_zip_name(before)) return before;
  }
  return path;
}

}  // namespace pulmo::pipeline
