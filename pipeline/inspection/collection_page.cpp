#include "pipeline/inspection/collection_page.h"

#include <algorithm>
#include <cctype>

#include "core/support/atomic_file.h"
#include "core/support/html.h"
#include "core/support/version.h"
#include "pipeline/inspection/grouped.h"
#include "pipeline/inspection/page_sections.h"

namespace pulmo::pipeline {
namespace {

std::string card(const std::string& number, const std::string& what) {
  return "<li><b>" + escape_html(number) + "</b><span>" + escape_html(what) + "</span></li>";
}

std::string cards(const PageContent& content) {
  const SampleCount& all = content.summary.total().all;
  std::string out = card(grouped(all.samples), samples_word(content.manifest()));
  out += card(grouped(static_cast<std::int64_t>(all.patients.size())), "patients");
  const std::string groups = groups_word(content.manifest());
  out += card(grouped(static_cast<std::int64_t>(all.groups.size())), groups);
  if (groups != "series" && content.manifest().source == "lidc") {
    out += card(grouped(static_cast<std::int64_t>(all.series.size())), "series");
  }
  out += card(mebibytes(content.summary.total().bytes), "in shards");
  if (!content.report) return "<ul class=\"cards\">" + out + "</ul>";
  for (const char* total : {"files", "rows"}) {
    const auto found = content.report->totals.find(total);
    if (found != content.report->totals.end()) out += card(grouped(found->second), std::string(total) + " read");
  }
  const std::int64_t problems = sum_of(content.report->problems);
  out += card(grouped(problems), problems == 1 ? "problem counted" : "problems counted");
  return "<ul class=\"cards\">" + out + "</ul>";
}

std::string title_of(const Manifest& manifest) {
  std::string title = samples_word(manifest) + ": ";
  for (std::size_t k = 0; k < manifest.class_names.size(); ++k) title += (k == 0 ? "" : ", ") + manifest.class_names[k];
  title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
  return title;
}

std::string masks_words(const PreparedData& data) {
  if (data.has_lungs() && data.has_nodules()) return "lung and nodule masks stored";
  if (data.has_lungs()) return "lung masks stored";
  return data.has_nodules() ? "nodule masks stored" : "no masks stored";
}

std::string head(const PageContent& content) {
  const Manifest& manifest = content.manifest();
  std::string out = "<header><p class=\"kicker\">pulmo &middot; collection report</p><h1>" +
                    escape_html(title_of(manifest)) + "</h1>";
  out += "<p class=\"lead\">Prepared from " +
         std::string(manifest.source == "lidc" ? "CT series with radiologists&#39; readings" : "listed pictures") +
         "; each sample " + escape_html(shape_text(manifest.shape)) + ", " +
         escape_html(masks_words(content.summary.data)) + ".</p></header>";
  if (manifest.phantom) {
    out +=
        "<p class=\"phantom\"><strong>Synthetic phantom</strong> Computed, not scanned: nothing made from it says "
        "anything about patients.</p>";
  }
  return out + "<p class=\"notice\">" + escape_html(kNotice) + "</p>" + cards(content);
}

struct Part {
  const char* id;
  const char* name;
  std::string html;
};

std::string navigation(const std::vector<Part>& parts) {
  std::string out = "<nav aria-label=\"Sections\"><ul>";
  for (const Part& part : parts) {
    if (!part.html.empty()) out += std::string("<li><a href=\"#") + part.id + "\">" + part.name + "</a></li>";
  }
  return out + "</ul></nav>";
}

}  // namespace

std::string section(const std::string& id, const std::string& heading, const std::string& body) {
  if (body.empty()) return "";
  return "<section id=\"" + id + "\"><h2>" + escape_html(heading) + "</h2>\n" + body + "</section>\n";
}

std::string collection_page(const std::filesystem::path& directory) {
  const PageContent content{summarise(directory), read_run_report(directory)};
  const std::vector<Part> parts = {
      {"counts", "Counts", counts_section(content)},       {"pictures", "Pictures", pictures_section(content)},
      {"scanners", "Scanners", scanners_section(content)}, {"values", "Values", values_section(content)},
      {"left-out", "Left out", left_out_section(content)}, {"notes", "Notes", notes_section(content)},
      {"problems", "Problems", problems_section(content)}, {"origin", "How it was made", origin_section(content)}};
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "img-src data:\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" +
      escape_html(title_of(content.manifest())) + " - pulmo collection report</title>\n<style>" + page_style() +
      "</style></head>\n<body><main>\n" + head(content) + "\n" + navigation(parts) + "\n";
  for (const Part& part : parts) page += part.html;
  return page + "<footer>Made by pulmo-prepare " + escape_html(version()) + " from data " +
         escape_html(content.manifest().data_digest().substr(0, 12)) + ". " + escape_html(kNotice) +
         "</footer>\n</main></body></html>\n";
}

void write_collection_page(const std::filesystem::path& directory, const std::filesystem::path& html) {
  write_file_atomically(html, collection_page(directory));
}

}  // namespace pulmo::pipeline
