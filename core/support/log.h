#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace pulmo {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  std::string_view key;
  std::string value;
};

/// Writes one line to standard error: `2026-01-31T12:00:00.123Z info [rank=R] message key=value ...`. Values with
/// spaces, quotes, backslashes or `=` are quoted, control characters escaped as \xNN. Thread-safe.
void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

inline void log_info(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kInfo, message, fields);
}
inline void log_warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kWarning, message, fields);
}
inline void log_error(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kError, message, fields);
}

/// Lines below this level are dropped. Default: kInfo.
void set_log_level(LogLevel level);

/// "debug", "info", "warning" or "error"; throws UsageError otherwise.
LogLevel parse_log_level(std::string_view name);

/// Every later line carries `rank=N`; -1 (the default) leaves it out.
void set_log_rank(int rank);

}  // namespace pulmo
