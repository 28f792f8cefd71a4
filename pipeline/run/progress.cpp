#include "pipeline/run/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "core/support/log.h"

namespace pulmo::pipeline {
namespace {

constexpr std::chrono::milliseconds kBarPause{200};
constexpr std::chrono::seconds kLinePause{10};
constexpr std::int64_t kBarWidth = 30;

std::string rate_text(double rate) {
  char text[32];
  std::snprintf(text, sizeof text, rate < 10.0 ? "%.1f" : "%.0f", rate);
  return text;
}

}  // namespace

Progress::Progress(std::string stage, std::string unit, std::int64_t total)
    : stage_(std::move(stage)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      shown_(start_) {}

Progress::~Progress() {
  if (done_ > 0) show(true);
}

void Progress::advance(std::int64_t count, bool skip) {
  done_ += count;
  if (skip) skipped_ += count;
  const auto pause = terminal_ ? Clock::duration(kBarPause) : Clock::duration(kLinePause);
  if (Clock::now() - shown_ >= pause) show(false);
}

std::string Progress::duration(double seconds) {
  const auto whole = static_cast<long long>(std::max(0.0, std::round(seconds)));
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lldh%02lldm", whole / 3600, whole / 60 % 60);
  } else if (whole >= 60) {
    std::snprintf(text, sizeof text, "%lldm%02llds", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%llds", whole);
  }
  return text;
}

void Progress::show(bool last) {
  shown_ = Clock::now();
  const double seconds = std::chrono::duration<double>(shown_ - start_).count();
  const double rate = seconds > 0.0 ? static_cast<double>(done_ - skipped_) / seconds : 0.0;
  const bool known = rate > 0.0 && !last;
  const std::string left = known ? duration(static_cast<double>(total_ - done_) / rate) : "";
  if (!terminal_) {
    log_info(stage_, {{"done", std::to_string(done_)},
                      {"total", std::to_string(total_)},
                      {unit_ + "_per_second", rate_text(rate)},
                      {last ? "took" : "left", last ? duration(seconds) : left}});
    return;
  }
  const std::int64_t filled = total_ > 0 ? kBarWidth * std::min(done_, total_) / total_ : kBarWidth;
  const std::string bar(static_cast<std::size_t>(filled), '=');
  std::fprintf(stderr, "\r%-9s [%-*s] %lld/%lld %s  %s/s  %s   %s", stage_.c_str(), static_cast<int>(kBarWidth),
               bar.c_str(), static_cast<long long>(done_), static_cast<long long>(total_), unit_.c_str(),
               rate_text(rate).c_str(), (last ? duration(seconds) : left + " left").c_str(), last ? "\n" : "");
}

}  // namespace pulmo::pipeline
