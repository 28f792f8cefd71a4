#include "training/progress_line.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/support/log.h"

namespace pulmo::training {
namespace {

constexpr std::chrono::milliseconds kRedraw{200};
constexpr std::chrono::seconds kPlainEvery{30};
constexpr int kBarColumns = 20;

std::string short_number(double value, const char* format) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string bar(double share) {
  const int filled = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * kBarColumns));
  std::string text(static_cast<std::size_t>(filled), '=');
  if (filled < kBarColumns) text += '>';
  text.resize(kBarColumns, ' ');
  return text;
}

}  // namespace

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(std::max(0.0, std::round(seconds)));
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%02lld:%02lld", whole / 60, whole % 60);
  }
  return text;
}

std::string progress_text(const ProgressView& view) {
  const double share = view.steps > 0 ? static_cast<double>(view.step) / static_cast<double>(view.steps) : 1.0;
  return "epoch " + std::to_string(view.epoch) + "/" + std::to_string(view.epochs) + " [" + bar(share) + "] " +
         std::to_string(view.step) + "/" + std::to_string(view.steps) + "  loss " + short_number(view.loss, "%.4f") +
         "  " + short_number(view.images_per_second, "%.0f") + " img/s  " + clock_text(view.seconds_left) + " left";
}

ProgressLine::ProgressLine(ProgressStyle style) : style_(style), last_(std::chrono::steady_clock::now()) {
  if (style_ == ProgressStyle::kAuto) {
    style_ = ::isatty(STDERR_FILENO) == 1 ? ProgressStyle::kLine : ProgressStyle::kPlain;
  }
}

void ProgressLine::step(const ProgressView& view) {
  const auto now = std::chrono::steady_clock::now();
  if (style_ == ProgressStyle::kLine && (now - last_ >= kRedraw || !drawn_)) {
    std::fprintf(stderr, "\r\033[K%s", progress_text(view).c_str());
    std::fflush(stderr);
    drawn_ = true;
    last_ = now;
  }
  if (style_ == ProgressStyle::kPlain && now - last_ >= kPlainEvery) {
    log_info("training", {{"epoch", std::to_string(view.epoch) + "/" + std::to_string(view.epochs)},
                          {"step", std::to_string(view.step) + "/" + std::to_string(view.steps)},
                          {"loss", short_number(view.loss, "%.4f")},
                          {"images_per_second", short_number(view.images_per_second, "%.1f")},
                          {"left", clock_text(view.seconds_left)}});
    last_ = now;
  }
}

void ProgressLine::epoch(const EpochRecord& record, std::int64_t epochs) {
  if (style_ == ProgressStyle::kNone) return;
  erase();
  const auto tell = [&](const auto&... more) {
    log_info("epoch done", {{"epoch", std::to_string(record.epoch) + "/" + std::to_string(epochs)},
                            {"train_loss", short_number(record.train_loss, "%.4f")},
                            {"validation_loss", short_number(record.validation_loss, "%.4f")},
                            {"validation_roc_auc", short_number(record.validation_roc_auc, "%.4f")},
                            {"images_per_second", short_number(record.images_per_second, "%.1f")},
                            {"input_wait_s", short_number(record.input_wait_seconds, "%.2f")},
                            {"seconds", short_number(record.seconds, "%.1f")},
                            {"best", record.best ? "yes" : "no"},
                            more...});
  };
  if (const auto& outlines = record.outlines) {
    tell(LogField{"outline_loss", short_number(outlines->train_loss, "%.4f")},
         LogField{"validation_outline_loss", short_number(outlines->validation_loss, "%.4f")},
         LogField{"validation_dice", short_number(outlines->validation_dice, "%.4f")});
  } else {
    tell();
  }
  last_ = std::chrono::steady_clock::now();
}

void ProgressLine::erase() {
  if (!drawn_) return;
  std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace pulmo::training
