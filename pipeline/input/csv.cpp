#include "pipeline/input/csv.h"

#include <algorithm>
#include <utility>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& name) : text_(text), name_(name) {
    if (text_.substr(0, kByteOrderMark.size()) == kByteOrderMark) at_ = kByteOrderMark.size();
  }

  std::optional<CsvRow> next() {
    while (at_ < text_.size() && at_line_end()) skip_line_end();
    if (at_ >= text_.size()) return std::nullopt;
    CsvRow row{line_, {}};
    for (;;) {
      row.fields.push_back(text_[at_] == '"' ? quoted() : bare());
      if (at_ < text_.size() && text_[at_] == ',') {
        if (++at_ >= text_.size()) {
          row.fields.emplace_back();
          return row;
        }
        continue;
      }
      if (at_ < text_.size()) skip_line_end();
      return row;
    }
  }

 private:
  bool at_line_end() const { return text_[at_] == '\n' || text_[at_] == '\r'; }

  void skip_line_end() {
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    ++at_;
    ++line_;
  }

  std::string bare() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ',' && !at_line_end()) {
      if (text_[at_] == '"') refuse("a quote inside an unquoted field; quote the whole field and double the quote");
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string quoted() {
    const std::size_t opened = line_;
    std::string value;
    for (++at_;; ++at_) {
      if (at_ >= text_.size()) {
        line_ = opened;
        refuse("a quoted field is not closed");
      }
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      } else if (text_[at_] == '\n') {
        ++line_;
      }
      value += text_[at_];
    }
    ++at_;
    if (at_ < text_.size() && text_[at_] != ',' && !at_line_end()) refuse("text after a closing quote");
    return value;
  }

  [[noreturn]] void refuse(const std::string& problem) const {
    throw InvalidInput("csv", name_ + ":" + std::to_string(line_) + ": " + problem);
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

CsvTable::CsvTable(std::string_view text, std::string name) : name_(std::move(name)) {
  CsvParser parser(text, name_);
  auto header = parser.next();
  if (!header) throw InvalidInput("csv", name_ + ": the file is empty; a header line is expected");
  columns_ = std::move(header->fields);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (std::count(columns_.begin(), columns_.end(), columns_[i]) > 1) {
      throw InvalidInput("csv", name_ + ": the column '" + columns_[i] + "' occurs twice");
    }
  }
  while (auto row = parser.next()) {
    if (row->fields.size() != columns_.size()) {
      throw InvalidInput("csv", name_ + ":" + std::to_string(row->line) + ": " + std::to_string(row->fields.size()) +
                                    " fields, the header has " + std::to_string(columns_.size()));
    }
    rows_.push_back(std::move(*row));
  }
}

std::optional<std::size_t> CsvTable::find(std::string_view column) const {
  const auto at = std::find(columns_.begin(), columns_.end(), column);
  if (at == columns_.end()) return std::nullopt;
  return static_cast<std::size_t>(at - columns_.begin());
}

std::size_t CsvTable::require(std::string_view column) const {
  if (const auto at = find(column)) return *at;
  throw InvalidInput(
      "csv", name_ + ": the column '" + std::string(column) + "' is missing; columns there: " + joined(columns_));
}

std::string csv_field(std::string_view value) {
  if (value.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace pulmo::pipeline
