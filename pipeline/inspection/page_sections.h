#pragma once

#include <optional>
#include <string>

#include "pipeline/inspection/run_report.h"
#include "pipeline/inspection/summary.h"

namespace pulmo::pipeline {

/// What the sections of collection_page() are made from.
struct PageContent {
  Summary summary;
  std::optional<RunReport> report;

  const Manifest& manifest() const { return summary.data.manifest; }
};

/// What samples are called: "slices", "nodule patches", ... and what their groups are: "series", "nodules", ...
std::string samples_word(const Manifest& manifest);
std::string groups_word(const Manifest& manifest);

/// Class of the style sheet for a class of the data: the positive one has its own colour.
std::string colour_of(const Manifest& manifest, const std::string& class_name);

/// Each a <section>, or empty when there is nothing to say.
std::string counts_section(const PageContent& content);
std::string pictures_section(const PageContent& content);
std::string scanners_section(const PageContent& content);
std::string values_section(const PageContent& content);
std::string left_out_section(const PageContent& content);
std::string notes_section(const PageContent& content);
std::string problems_section(const PageContent& content);
std::string origin_section(const PageContent& content);

/// <section> with its heading; empty for an empty body.
std::string section(const std::string& id, const std::string& heading, const std::string& body);

/// The style sheet of the page.
const char* page_style();

}  // namespace pulmo::pipeline
