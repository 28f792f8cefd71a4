#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pulmo::pipeline {

/// How far a stage is, with rate and time left: a bar on a terminal, a log line every ten seconds otherwise. Used from
/// one thread.
class Progress {
 public:
  /// `unit` in the plural: "files", "slices".
  Progress(std::string stage, std::string unit, std::int64_t total);
  /// Ends the line of the bar.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `skip`: done before this run, which says nothing about its rate.
  void advance(std::int64_t count = 1, bool skip = false);

  /// "1h02m", "3m20s", "12s". For tests and messages.
  static std::string duration(double seconds);

 private:
  using Clock = std::chrono::steady_clock;

  void show(bool last);

  std::string stage_;
  std::string unit_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  std::int64_t skipped_ = 0;
  bool terminal_;
  Clock::time_point start_;
  Clock::time_point shown_;
};

}  // namespace pulmo::pipeline
