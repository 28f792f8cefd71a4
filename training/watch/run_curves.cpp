#include "training/watch/run_curves.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "training/evaluation/chart.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::json;
using Figure = std::function<double(const EpochRecord&)>;

constexpr double kPanelWidth = 470.0, kPanelHeight = 320.0;
constexpr Frame kPlot{62.0, 52.0, 384.0, 206.0};  // within a panel

double number(const Json& json, const char* key) {
  const Json& value = json.at(key);
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

std::optional<OutlineRecord> outlines_of(const Json& json) {
  if (!json.at("train").contains("outline_loss")) return std::nullopt;
  const Json& validation = json.at("validation");
  return OutlineRecord{number(json.at("train"), "outline_loss"), number(validation, "outline_loss"),
                       number(validation, "dice")};
}

EpochRecord record_of(const Json& json) {
  EpochRecord one;
  one.epoch = json.at("epoch");
  one.train_loss = number(json.at("train"), "loss");
  one.train_accuracy = number(json.at("train"), "accuracy");
  one.validation_loss = number(json.at("validation"), "loss");
  one.validation_accuracy = number(json.at("validation"), "accuracy");
  one.validation_roc_auc = number(json.at("validation"), "roc_auc");
  one.learning_rate = number(json, "learning_rate");
  one.images_per_second = number(json, "images_per_second");
  one.input_wait_seconds = number(json, "input_wait_seconds");
  one.train_seconds = number(json, "train_seconds");
  one.seconds = number(json, "seconds");
  one.best = json.at("best");
  one.outlines = outlines_of(json);
  return one;
}

struct Curve {
  const char* title;
  Figure figure;
};

struct Panel {
  const char* title;
  std::vector<Curve> curves;
  bool from_zero = false;
  bool logarithmic = false;
};

// Only those are asked whose run has outlines; an epoch from before they were logged has none.
Figure of_outlines(double OutlineRecord::*figure) {
  return [figure](const EpochRecord& e) {
    return e.outlines ? (*e.outlines).*figure : std::numeric_limits<double>::quiet_NaN();
  };
}

std::vector<Panel> panels_of(const std::vector<EpochRecord>& epochs) {
  std::vector<Panel> all = {
      {"Loss",
       {{"training", [](const EpochRecord& e) { return e.train_loss; }},
        {"validation", [](const EpochRecord& e) { return e.validation_loss; }}},
       true},
      {"Validation",
       {{"ROC-AUC", [](const EpochRecord& e) { return e.validation_roc_auc; }},
        {"accuracy", [](const EpochRecord& e) { return e.validation_accuracy; }}}},
      {"Learning rate", {{"of the last step", [](const EpochRecord& e) { return e.learning_rate; }}}, false, true},
      {"Images per second", {{"training", [](const EpochRecord& e) { return e.images_per_second; }}}, true}};
  const bool outlined =
      std::any_of(epochs.begin(), epochs.end(), [](const EpochRecord& e) { return e.outlines.has_value(); });
  if (!outlined) return all;
  all.push_back({"Loss of outlines",
                 {{"training", of_outlines(&OutlineRecord::train_loss)},
                  {"validation", of_outlines(&OutlineRecord::validation_loss)}},
                 true});
  all.push_back({"Dice of outlines", {{"validation", of_outlines(&OutlineRecord::validation_dice)}}, true});
  return all;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
};

Range range_of(const Panel& panel, const std::vector<EpochRecord>& epochs) {
  Range range;
  for (const Curve& curve : panel.curves) {
    for (const EpochRecord& epoch : epochs) {
      const double value = curve.figure(epoch);
      if (!std::isfinite(value) || (panel.logarithmic && value <= 0.0)) continue;
      range.low = std::min(range.low, value);
      range.high = std::max(range.high, value);
    }
  }
  return range.low > range.high ? Range{0.0, 1.0} : range;
}

Axis log_axis(const Range& range) {
  const double low = range.low > 0.0 ? std::floor(std::log10(range.low)) : -1.0;
  const double high = std::max(low + 1.0, range.high > 0.0 ? std::ceil(std::log10(range.high)) : 0.0);
  Axis axis{"", std::pow(10.0, low), std::pow(10.0, high), {}, true};
  const double step = std::max(1.0, std::ceil((high - low) / 6.0));
  for (double power = low; power <= high; power += step) axis.ticks.push_back(std::pow(10.0, power));
  return axis;
}

Axis value_axis(const Panel& panel, const std::vector<EpochRecord>& epochs) {
  Range range = range_of(panel, epochs);
  if (panel.logarithmic) return log_axis(range);
  if (panel.from_zero) range.low = std::min(0.0, range.low);
  const double span = std::max(range.high - range.low, 1e-3 * std::max(1.0, std::abs(range.high)));
  range.high += 0.05 * span;
  if (!panel.from_zero) range.low -= 0.05 * span;
  return {"", range.low, range.high, round_ticks(range.low, range.high, 5)};
}

Axis epoch_axis(const std::vector<EpochRecord>& epochs) {
  const auto first = static_cast<double>(epochs.front().epoch), last = static_cast<double>(epochs.back().epoch);
  Axis axis{"epoch", first, std::max(last, first + 1.0), {}};
  for (const double tick : round_ticks(axis.low, axis.high, 8)) {
    if (tick == std::floor(tick)) axis.ticks.push_back(tick);
  }
  return axis;
}

// The last epoch that was better than all before it.
const EpochRecord* best_of(const std::vector<EpochRecord>& epochs) {
  const EpochRecord* best = nullptr;
  for (const EpochRecord& epoch : epochs) {
    if (epoch.best) best = &epoch;
  }
  return best;
}

std::string legend(const Panel& panel) {
  if (panel.curves.size() < 2) return "";
  constexpr double kColumn = 96.0;
  std::string svg;
  double x = kPlot.left + kPlot.width - kColumn * static_cast<double>(panel.curves.size());
  for (std::size_t i = 0; i < panel.curves.size(); ++i, x += kColumn) {
    svg += "<rect class=\"chip\" " + series_style(i) + " x=\"" + svg_number(x) +
           "\" y=\"27\" width=\"16\" height=\"5\" rx=\"2.5\"/>\n";
    svg += svg_text(x + 23.0, 34.0, panel.curves[i].title, "start", "class=\"dim\"");
  }
  return svg;
}

std::string panel_svg(const Panel& panel, const std::vector<EpochRecord>& epochs) {
  const Chart chart(kPlot, epoch_axis(epochs), value_axis(panel, epochs));
  std::string svg = svg_text(kPlot.left, 34.0, panel.title, "start", "class=\"head\"") + legend(panel) + chart.axes();
  for (std::size_t i = 0; i < panel.curves.size(); ++i) {
    std::vector<Point> points;
    for (const EpochRecord& epoch : epochs) {
      const double value = panel.curves[i].figure(epoch);
      const bool drawn = !panel.logarithmic || value > 0.0;
      points.push_back({static_cast<double>(epoch.epoch), drawn ? value : std::numeric_limits<double>::quiet_NaN()});
    }
    svg += chart.line(points, "", i);
    if (epochs.size() == 1) svg += chart.dot(points.front(), 3.0, "", i);
    if (const EpochRecord* best = best_of(epochs)) {
      svg += chart.dot({static_cast<double>(best->epoch), panel.curves[i].figure(*best)}, 4.5, "", i);
    }
  }
  return svg;
}

}  // namespace

std::vector<EpochRecord> read_run_log(const std::filesystem::path& path) {
  std::istringstream lines(read_text_file(path));
  std::vector<EpochRecord> epochs;
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    ++count;
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) continue;
    try {
      epochs.push_back(record_of(json));
    } catch (const Json::exception&) {
      throw InvalidInput("log", path.string() + ":" + std::to_string(count) + ": is no record of an epoch");
    }
  }
  if (epochs.empty()) throw InvalidInput("log", path.string() + ": holds no finished epoch yet");
  return epochs;
}

std::string run_curves_svg(const std::vector<EpochRecord>& epochs, const std::string& title) {
  const std::vector<Panel> panels = panels_of(epochs);
  const double width = 2 * kPanelWidth + 20.0;
  const double height = kPanelHeight * static_cast<double>((panels.size() + 1) / 2) + 50.0;
  std::string svg = open_svg(width, height, title, "xmlns=\"http://www.w3.org/2000/svg\"");
  svg += "<style>" + chart_style("svg") + "</style>\n";
  svg += "<rect width=\"100%\" height=\"100%\" style=\"fill:var(--paper)\"/>\n";
  svg += svg_text(24.0, 30.0, title, "start", "font-size=\"17\" font-weight=\"650\"");
  if (const EpochRecord* best = best_of(epochs)) {
    svg += svg_text(width - 24.0, 30.0, "dots: best epoch, " + std::to_string(best->epoch), "end", "class=\"dim\"");
  }
  for (std::size_t i = 0; i < panels.size(); ++i) {
    const double x = 10.0 + kPanelWidth * static_cast<double>(i % 2);
    const double y = 36.0 + kPanelHeight * static_cast<double>(i / 2);
    svg += "<g transform=\"translate(" + svg_number(x) + ' ' + svg_number(y) + ")\">\n" + panel_svg(panels[i], epochs) +
           "</g>\n";
  }
  return svg + "</svg>\n";
}

}  // namespace pulmo::training
