// The sections of the page that account for what is not among the samples, and for how the samples came about.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/support/html.h"
#include "pipeline/inspection/grouped.h"
#include "pipeline/inspection/page_sections.h"
#include "pipeline/inspection/reasons.h"

namespace pulmo::pipeline {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Reason, how often, what it means.
std::string reasons_table(const std::vector<CountedReason>& reasons) {
  std::int64_t most = 1;
  for (const CountedReason& entry : reasons) most = std::max(most, entry.count);
  std::string out = "<ol class=\"reasons\">";
  for (const CountedReason& entry : reasons) {
    const double share =
        100.0 * static_cast<double>(std::max<std::int64_t>(0, entry.count)) / static_cast<double>(most);
    out += "<li><b>" + grouped(entry.count) + "</b><div><code>" + escape_html(entry.reason) +
           "</code><i style=\"width:" + plain_number(share) + "%\"></i><p>" +
           escape_html(explain_reason(entry.reason)) + "</p></div></li>\n";
  }
  return out + "</ol>";
}

std::string pairs_list(const Pairs& pairs) {
  std::string out = "<dl>";
  for (const auto& [key, value] : pairs) {
    out += "<div><dt>" + escape_html(key) + "</dt><dd>" + escape_html(value.empty() ? "-" : value) + "</dd></div>";
  }
  return out + "</dl>";
}

std::string panel(const std::string& heading, const std::string& body) {
  return "<div class=\"panel\"><h3>" + escape_html(heading) + "</h3>" + body + "</div>\n";
}

Pairs spec_pairs(const PreprocessSpec& spec) {
  Pairs pairs;
  const auto json = nlohmann::json::parse(spec_to_json(spec));
  for (const auto& [key, value] : json.items()) {
    pairs.emplace_back(key, value.is_null() ? "auto" : value.is_string() ? value.get<std::string>() : value.dump());
  }
  return pairs;
}

/// The last part of a path: a configuration may name files by folders that name people.
std::string file_name(const std::string& value) {
  const auto cut = value.rfind('/');
  return cut == std::string::npos ? value : value.substr(cut + 1);
}

std::string shard_list(const Manifest& manifest) {
  std::string out = "<details><summary>SHA-256 of each shard</summary><div class=\"scroll\"><table><tbody>";
  for (const Split which : kSplits) {
    for (const ManifestShard& shard : manifest.split(which).shards) {
      out += "<tr><th scope=\"row\">" + escape_html(shard.file) + "</th><td class=\"number\">" +
             grouped(shard.samples) + "</td><td><code>" + escape_html(shard.sha256) + "</code></td></tr>";
    }
  }
  return out + "</tbody></table></div></details>";
}

}  // namespace

std::string left_out_section(const PageContent& content) {
  if (!content.report) return "";
  std::string body;
  for (const auto& [scope, reasons] : content.report->left_out) {
    if (reasons.empty()) continue;
    body += panel(grouped(sum_of(reasons)) + " " + scope, reasons_table(reasons));
  }
  if (body.empty()) return section("left-out", "What was left out, and why", "<p>Nothing was left out.</p>");
  return section("left-out", "What was left out, and why", "<div class=\"panels\">" + body + "</div>");
}

std::string notes_section(const PageContent& content) {
  if (!content.report || content.report->notes.empty()) return "";
  return section("notes", "Notes: unusual, and used all the same",
                 "<div class=\"panel\">" + reasons_table(content.report->notes) + "</div>");
}

std::string problems_section(const PageContent& content) {
  if (!content.report) return "";
  const auto& problems = content.report->problems;
  if (problems.empty()) return section("problems", "Problems", "<p class=\"good\">No file was broken.</p>");
  return section(
      "problems", "Problems: broken or contradictory input",
      "<p class=\"hint\"><code>report.yaml</code> names the files; this page does not, since their names may be "
      "those of patients.</p><div class=\"panel\">" +
          reasons_table(problems) + "</div>");
}

std::string origin_section(const PageContent& content) {
  const Manifest& manifest = content.manifest();
  Pairs rules{{"seed", std::to_string(manifest.seed)}};
  Pairs digests{{"data digest", manifest.data_digest()}, {"spec digest", spec_digest(manifest.spec)}};
  for (const auto& [key, value] : manifest.provenance) {
    const bool digest = key == "fingerprint" || key == "manifest_sha256";
    (digest ? digests : rules).emplace_back(key, key == "split.file" ? file_name(value) : value);
  }
  Pairs totals;
  if (content.report) {
    for (const auto& [key, value] : content.report->totals) totals.emplace_back(key, grouped(value));
  }
  std::string body = panel("Rules of labels and split", pairs_list(rules)) +
                     panel("Preprocessing of every sample", pairs_list(spec_pairs(manifest.spec)));
  if (!totals.empty()) body += panel("What the input held", pairs_list(totals));
  body += panel("Digests: same digest, same data", pairs_list(digests) + shard_list(manifest));
  return section("origin", "How it was made", "<div class=\"panels\">" + body + "</div>");
}

}  // namespace pulmo::pipeline
