#include "core/support/html.h"
#include "core/support/version.h"
#include "training/evaluation/chart.h"
#include "training/evaluation/comparison_page.h"

namespace pulmo::training {
namespace {

std::string counts(const Comparison& comparison) {
  if (comparison.rows.empty()) return "";
  const SplitReport& test = comparison.rows.front().test_report();
  std::string html;
  for (const auto& [level, name] :
       {std::pair{Level::kPatient, "patients"}, std::pair{Level::kGroup, "nodules or series"},
        std::pair{Level::kSample, "slices"}}) {
    html.append("<li>").append(std::to_string(test.at(level).n)).append(" ").append(name).append("</li>");
  }
  return html;
}

std::string header(const Comparison& comparison) {
  std::string html = "<header>\n<h1>" + escape_html(comparison.title) + "</h1>\n";
  html.append("<p class=\"lead\">").append(kNotice).append("</p>\n");
  if (comparison.phantom) {
    html.append("<p class=\"phantom\">").append(escape_html(comparison_notes(comparison).front())).append("</p>\n");
  }
  html.append("<ul class=\"facts\"><li>Task: ").append(escape_html(comparison.task)).append("</li>");
  html += counts(comparison);
  if (const std::size_t folds = fold_count(comparison); folds > 0) {
    html.append("<li>").append(std::to_string(folds)).append(" patient folds</li>");
  }
  html.append("<li>").append(std::to_string(comparison.rows.size())).append(" rows</li>");
  return html.append("<li>pulmo ").append(version()).append("</li></ul>\n</header>\n");
}

}  // namespace

std::string comparison_html(const Comparison& comparison) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>pulmo: comparison of models</title>\n";
  html.append(page_style()).append("\n</head><body><main>\n").append(header(comparison));
  html += summary_section(comparison) + levels_section(comparison) + paper_section(comparison) +
          cost_section(comparison) + wrong_section(comparison) + attention_section(comparison) +
          faithfulness_section(comparison) + notes_section(comparison);
  return html + "</main></body></html>\n";
}

}  // namespace pulmo::training
