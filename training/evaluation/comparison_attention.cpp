#include "core/support/html.h"
#include "training/evaluation/chart.h"
#include "training/evaluation/comparison_page.h"
#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

std::string slice_html(const WeighedSlice& slice, std::size_t number, std::size_t of) {
  return "<span><img alt=\"Slice " + std::to_string(number) + " of " + std::to_string(of) + "\" src=\"" +
         slice.picture + "\"><i style=\"width:" + svg_number(100.0 * slice.weight) + "%\"></i>" + figure(slice.weight) +
         "</span>\n";
}

std::string case_html(const AttentionCase& one, const ClassList& classes) {
  const std::string& truth = classes.names[static_cast<std::size_t>(one.label)];
  const std::string& decided = classes.names[static_cast<std::size_t>(one.decision)];
  std::string html = "<figure class=\"card\"><figcaption><b>" + escape_html(truth) + "</b><span>" +
                     (one.decision == one.label ? "decided rightly" : "taken for " + escape_html(decided)) +
                     ", p(truth) " + figure(one.probability) + ", group " + std::to_string(one.group) +
                     "</span></figcaption><div class=\"slices\">\n";
  for (std::size_t i = 0; i < one.slices.size(); ++i) html += slice_html(one.slices[i], i + 1, one.slices.size());
  return html + "</div></figure>\n";
}

}  // namespace

std::string attention_section(const Comparison& comparison) {
  std::string rows;
  for (const ComparedRow& row : comparison.rows) {
    if (row.attention.empty()) continue;
    rows += "<h3>" + escape_html(row_title(row.report.facts.row)) + "</h3>\n<div class=\"stacks\">\n";
    for (const AttentionCase& one : row.attention) rows += case_html(one, comparison.classes);
    rows += "</div>\n";
  }
  if (rows.empty()) return "";
  return "<section>\n<h2>Attention over slices</h2>\n<p class=\"lead\">The share of each slice of a test group in the "
         "result, which the model gives itself: the shares of a group sum to 1. Shown are the groups that it decided "
         "rightly with the most certainty, then the most wrong ones; groups are numbered in the order of the test "
         "part. Where it looks is not yet what "
         "it sees there.</p>\n" +
         rows + "</section>\n";
}

}  // namespace pulmo::training
