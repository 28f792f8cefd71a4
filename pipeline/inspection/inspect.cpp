#include "pipeline/inspection/inspect.h"

#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "pipeline/inspection/run_report.h"
#include "pipeline/inspection/summary.h"

namespace pulmo::pipeline {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : ", ").append(word);
  return text;
}

std::string masks_text(const PreparedData& data) {
  std::vector<std::string> masks;
  if (data.has_lungs()) masks.emplace_back("lungs");
  if (data.has_nodules()) masks.emplace_back("nodules");
  return masks.empty() ? "no masks stored" : "masks stored: " + joined(masks);
}

// Every column as wide as its widest cell; numbers to the right.
void write_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      out << "  " << (c == 0 ? std::left : std::right) << std::setw(static_cast<int>(widths[c])) << row[c];
    }
    out << "\n";
  }
}

void write_pairs(std::ostream& out, const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::size_t width = 0;
  for (const auto& [key, value] : pairs) width = std::max(width, key.size());
  for (const auto& [key, value] : pairs)
    out << "  " << std::left << std::setw(static_cast<int>(width)) << key << "  " << value << "\n";
}

void write_splits(std::ostream& out, const Summary& summary) {
  const auto& names = summary.data.manifest.class_names;
  std::vector<std::vector<std::string>> rows = {{"split"}};
  rows[0].insert(rows[0].end(), names.begin(), names.end());
  for (const char* column : {"samples", "patients", "series", "groups", "size"}) rows[0].emplace_back(column);
  for (const SplitSummary& split : summary.splits) {
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(split.name);
    for (const SampleCount& tally : split.classes) row.push_back(std::to_string(tally.samples));
    row.push_back(std::to_string(split.all.samples));
    row.push_back(std::to_string(split.all.patients.size()));
    row.push_back(std::to_string(split.all.series.size()));
    row.push_back(std::to_string(split.all.groups.size()));
    row.push_back(mebibytes(split.bytes));
  }
  write_table(out, rows);
}

void write_classes(std::ostream& out, const Summary& summary) {
  const auto& names = summary.data.manifest.class_names;
  std::vector<std::vector<std::string>> rows = {{"class", "samples", "share", "patients", "groups"}};
  const SplitSummary& total = summary.total();
  for (std::size_t k = 0; k < names.size(); ++k) {
    const SampleCount& tally = total.classes[k];
    std::ostringstream share;
    share << std::fixed << std::setprecision(1)
          << 100.0 * static_cast<double>(tally.samples) /
                 static_cast<double>(std::max<std::int64_t>(1, total.all.samples))
          << " %";
    rows.push_back({names[k], std::to_string(tally.samples), share.str(), std::to_string(tally.patients.size()),
                    std::to_string(tally.groups.size())});
  }
  write_table(out, rows);
}

void write_spec(std::ostream& out, const PreprocessSpec& spec) {
  const auto json = nlohmann::json::parse(spec_to_json(spec));
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [key, value] : json.items()) {
    pairs.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  write_pairs(out, pairs);
}

// What report.yaml counts, most frequent first: "slices  not_drawn  120".
void write_reasons(std::ostream& out, const RunReport& report) {
  std::vector<std::vector<std::string>> rows = {{"left out", "reason", "count"}};
  for (const auto& [scope, reasons] : report.left_out) {
    for (const CountedReason& entry : reasons) rows.push_back({scope, entry.reason, std::to_string(entry.count)});
  }
  for (const CountedReason& entry : report.problems) {
    rows.push_back({"problem", entry.reason, std::to_string(entry.count)});
  }
  for (const CountedReason& entry : report.notes) rows.push_back({"note", entry.reason, std::to_string(entry.count)});
  if (rows.size() == 1) return;
  out << "\nLeft out, problems and notes (report.html explains the reasons)\n";
  write_table(out, rows);
}

}  // namespace

std::string describe(const std::filesystem::path& directory) {
  const Summary summary = summarise(directory);
  const Manifest& manifest = summary.data.manifest;
  std::ostringstream out;
  out << directory.string() << "\n";
  if (manifest.phantom) out << "  SYNTHETIC PHANTOM: results made from it say nothing about patients\n";
  write_pairs(out, {{"task", manifest.task + ", from " + manifest.source},
                    {"classes", joined(manifest.class_names) + " (positive: " + manifest.positive_class + ")"},
                    {"sample", shape_text(manifest.shape) + ", " + masks_text(summary.data)},
                    {"seed", std::to_string(manifest.seed)},
                    {"data digest", manifest.data_digest()},
                    {"spec digest", spec_digest(manifest.spec)}});
  out << "\nPreprocessing\n";
  write_spec(out, manifest.spec);
  if (!manifest.provenance.empty()) out << "\nProvenance\n";
  write_pairs(out, {manifest.provenance.begin(), manifest.provenance.end()});
  out << "\nSplits\n";
  write_splits(out, summary);
  out << "\nClasses\n";
  write_classes(out, summary);
  if (const auto report = read_run_report(directory)) write_reasons(out, *report);
  return out.str();
}

}  // namespace pulmo::pipeline
