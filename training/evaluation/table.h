#pragma once

#include <string>
#include <vector>

#include "training/evaluation/bootstrap.h"

namespace pulmo::training {

/// Three decimals, or "n/a" for NaN.
std::string figure(double value);

/// "0.885 [0.841, 0.924]"; "n/a" where the value is undefined, without brackets where only the interval is.
std::string with_interval(double value, const Interval& interval);

/// A p-value: three decimals, "< 0.001" below that, "n/a" for NaN.
std::string p_value(double value);

/// A Markdown table whose columns line up in a terminal; every column but the first is right-aligned.
class MarkdownTable {
 public:
  explicit MarkdownTable(std::vector<std::string> header) : rows_{std::move(header)} {}

  /// As many cells as the header has.
  void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace pulmo::training
