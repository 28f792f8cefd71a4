#include "core/support/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>

#include "core/support/error.h"

namespace pulmo {
namespace {

std::atomic<int> log_rank{-1};

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("pulmo", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc));
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

void append_code(std::string& out, char c) {
  char code[5];
  std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
  out += code;
}

// A control character would let one event look like two lines.
std::string escape_controls(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_control(c)) {
      append_code(out, c);
    } else {
      out += c;
    }
  }
  return out;
}

// Quoted as soon as the end of the value, or what it was before escaping, could be in doubt.
void append_field(std::string& line, const LogField& field) {
  const std::string& value = field.value;
  line.append(" ").append(field.key).append("=");
  const bool plain = !value.empty() && value.find_first_of(" \"=\\") == std::string::npos &&
                     std::none_of(value.begin(), value.end(), is_control);
  if (plain) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (is_control(c)) {
      append_code(line, c);
      continue;
    }
    if (c == '"' || c == '\\') line += '\\';
    line += c;
  }
  line += '"';
}

}  // namespace

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!logger().should_log(to_spdlog(level))) return;
  std::string line;
  if (const int rank = log_rank.load(); rank >= 0) line = "rank=" + std::to_string(rank) + " ";
  line += escape_controls(message);
  for (const LogField& field : fields) append_field(line, field);
  logger().log(to_spdlog(level), "{}", line);
}

void set_log_level(LogLevel level) {
  logger().set_level(to_spdlog(level));
}

LogLevel parse_log_level(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  throw UsageError("unknown log level '" + std::string(name) + "': use debug, info, warning or error");
}

void set_log_rank(int rank) {
  log_rank.store(rank);
}

}  // namespace pulmo
