#include "training/evaluation/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace pulmo::training {
namespace {

// Code points, not bytes: what a terminal gives one column each.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string padded(const std::string& cell, std::size_t columns, bool right) {
  const std::string space(columns - width(cell), ' ');
  return right ? space + cell : cell + space;
}

}  // namespace

std::string figure(double value) {
  if (std::isnan(value)) return "n/a";
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return std::strcmp(text, "-0.000") == 0 ? "0.000" : text;
}

std::string with_interval(double value, const Interval& interval) {
  if (std::isnan(value) || std::isnan(interval.low)) return figure(value);
  return figure(value) + " [" + figure(interval.low) + ", " + figure(interval.high) + "]";
}

std::string p_value(double value) {
  return value < 0.001 ? "< 0.001" : figure(value);
}

std::string MarkdownTable::text() const {
  std::vector<std::size_t> widths(rows_.front().size(), 3);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t i = 0; i < widths.size(); ++i)
      out.append("| ").append(padded(rows_[r][i], widths[i], i > 0)).append(" ");
    out += "|\n";
    if (r > 0) continue;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      out.append("|").append(widths[i] + 1, '-').append(i == 0 ? "-" : ":");
    }
    out += "|\n";
  }
  return out;
}

}  // namespace pulmo::training
