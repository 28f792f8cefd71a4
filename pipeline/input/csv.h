#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pulmo::pipeline {

struct CsvRow {
  std::size_t line = 0;  ///< 1-based line of the file on which the row begins
  std::vector<std::string> fields;
};

/// A CSV table with a header line, after RFC 4180: fields may be quoted, "" stands for a quote inside, quoted fields
/// may hold commas and line breaks. LF and CRLF, a UTF-8 byte order mark and empty lines are accepted.
class CsvTable {
 public:
  /// Throws InvalidInput("csv") naming file and line: no header, a column twice, an unclosed quote, text after a
  /// closing quote, a quote inside an unquoted field, a row of another length than the header.
  CsvTable(std::string_view text, std::string name);

  const std::vector<std::string>& columns() const { return columns_; }
  const std::vector<CsvRow>& rows() const { return rows_; }
  std::optional<std::size_t> find(std::string_view column) const;
  /// Throws InvalidInput("csv") listing the columns that are there.
  std::size_t require(std::string_view column) const;
  /// The file's name as given, for messages.
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::vector<std::string> columns_;
  std::vector<CsvRow> rows_;
};

/// The field as it must stand in a CSV file: quoted when it holds a comma, a quote or a line break.
std::string csv_field(std::string_view value);

}  // namespace pulmo::pipeline
