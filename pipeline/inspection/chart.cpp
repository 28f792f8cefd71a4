#include "pipeline/inspection/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <set>

#include "core/support/html.h"
#include "pipeline/inspection/grouped.h"

namespace pulmo::pipeline {
namespace {

// All in units of the view box, which the page scales.
constexpr double kWidth = 400.0;
constexpr double kHeight = 236.0;
constexpr double kLeft = 58.0;
constexpr double kRight = 16.0;
constexpr double kTop = 12.0;
constexpr double kBottom = 42.0;
constexpr double kPlotWidth = kWidth - kLeft - kRight;
constexpr double kPlotHeight = kHeight - kTop - kBottom;
constexpr std::size_t kFewValues = 8;  // so many different ones get a bar each
constexpr std::int64_t kMostBars = 36;
constexpr std::int64_t kMostSteps = 110;  // of a line
constexpr double kBarHeight = 26.0;
constexpr double kBarStep = 38.0;

std::string number(double value, const char* format = "%.5g") {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), format, value + 0.0);
  return text.data();
}

std::string coordinate(double value) {
  return number(std::round(value * 100.0) / 100.0, "%.7g");
}

std::string attribute(const char* name, double value) {
  return std::string(" ") + name + "=\"" + coordinate(value) + "\"";
}

std::string label(double x, double y, const char* anchor, const std::string& text) {
  return "<text" + attribute("x", x) + attribute("y", y) + " text-anchor=\"" + anchor + "\">" + escape_html(text) +
         "</text>";
}

std::string line(double x1, double y1, double x2, double y2, const char* kind) {
  return std::string("<line class=\"") + kind + "\"" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) +
         attribute("y2", y2) + "/>";
}

std::string rectangle(double x, double y, double width, double height, const std::string& kind) {
  return "<rect class=\"" + kind + "\"" + attribute("x", x) + attribute("y", y) +
         attribute("width", std::max(0.0, width)) + attribute("height", std::max(0.0, height));
}

std::string titled(const std::string& rectangle_text, const std::string& title) {
  return rectangle_text + "><title>" + escape_html(title) + "</title></rect>";
}

std::string svg(const ChartText& text, const std::string& words, double height, const std::string& content) {
  return "<svg viewBox=\"0 0 " + coordinate(kWidth) + " " + coordinate(height) + "\" role=\"img\" aria-label=\"" +
         escape_html(text.title + ". " + words) + "\">" + content + "</svg>";
}

/// 1, 2 or 5 times a power of ten, so that about `wanted` steps make `range`.
double nice_step(double range, double wanted) {
  const double rough = range / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) return factor * power;
  }
  return 10.0 * power;
}

std::int64_t floor_divided(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

/// What is drawn: the layers in common, coarser bins.
struct Bars {
  std::int64_t first = 0, last = 0;          // bins
  double width = 1.0;                        // of a bin, in the measure's unit
  double origin = 0.0;                       // lower edge of bin 0
  std::vector<std::vector<double>> heights;  // of each layer, first to last
  std::vector<std::string> names;            // of the bins
  double highest = 0.0;
  bool share = false;  // heights are percent of a layer

  std::size_t size() const { return names.size(); }
  double edge(std::size_t bin) const { return origin + static_cast<double>(first + std::int64_t(bin)) * width; }
};

std::string layer_value(const Bars& bars, double height) {
  return bars.share ? number(height, "%.3g") + " %" : grouped(std::llround(height));
}

std::int64_t bins_to_join(std::int64_t bins, std::int64_t most) {
  for (const std::int64_t factor : {1, 2, 4, 5, 10, 20, 40, 50, 100, 200, 400, 500}) {
    if (bins <= factor * most) return factor;
  }
  return bins / most + 1;
}

void fill(const std::vector<ChartLayer>& layers, std::int64_t join, Bars& bars) {
  const auto count = static_cast<std::size_t>(bars.last - bars.first + 1);
  for (const ChartLayer& layer : layers) {
    std::vector<double>& heights = bars.heights.emplace_back(count, 0.0);
    const double unit =
        bars.share ? 100.0 / static_cast<double>(std::max<std::int64_t>(1, layer.distribution.total())) : 1.0;
    for (const auto& [bin, value] : layer.distribution.counts()) {
      heights[static_cast<std::size_t>(floor_divided(bin, join) - bars.first)] += static_cast<double>(value) * unit;
    }
    bars.highest = std::max(bars.highest, *std::max_element(heights.begin(), heights.end()));
  }
  for (std::size_t i = 0; i < count; ++i) {
    bars.names.push_back(join == 1 ? number(bars.edge(i) + 0.5 * bars.width)
                                   : number(bars.edge(i)) + " to " + number(bars.edge(i) + bars.width));
  }
}

Bars bars_of(const std::vector<ChartLayer>& layers) {
  Bars bars;
  bool any = false;
  std::int64_t first = 0;
  std::int64_t last = 0;
  for (const ChartLayer& layer : layers) {
    for (const auto& [bin, count] : layer.distribution.counts()) {
      first = any ? std::min(first, bin) : bin;
      last = any ? std::max(last, bin) : bin;
      any = true;
    }
  }
  if (!any) return bars;
  const double bin = layers.front().distribution.bin();
  const std::int64_t join = bins_to_join(last - first + 1, layers.size() > 1 ? kMostSteps : kMostBars);
  bars.first = floor_divided(first, join);
  bars.last = floor_divided(last, join);
  bars.width = bin * static_cast<double>(join);
  bars.origin = -0.5 * bin;
  bars.share = layers.size() > 1;
  fill(layers, join, bars);
  return bars;
}

/// One distribution of few different values: a bar for each value, side by side.
Bars bars_of_values(const Distribution& distribution) {
  Bars bars;
  bars.heights.emplace_back();
  for (const auto& [bin, count] : distribution.counts()) {
    bars.names.push_back(number(static_cast<double>(bin) * distribution.bin()));
    bars.heights.front().push_back(static_cast<double>(count));
    bars.highest = std::max(bars.highest, static_cast<double>(count));
  }
  return bars;
}

double y_of(double height, double top) {
  return kTop + kPlotHeight * (1.0 - height / top);
}

/// Lines, numbers and name of the vertical axis; `top` is its end.
std::string vertical_axis(const Bars& bars, const ChartText& text, double step, double top) {
  std::string out;
  for (double value = 0.0; value <= top * 1.0001; value += step) {
    const double y = y_of(value, top);
    out += line(kLeft, y, kWidth - kRight, y, value == 0.0 ? "axis" : "grid");
    out += label(kLeft - 6.0, y + 4.0, "end", number(value) + (bars.share ? " %" : ""));
  }
  const double middle = kTop + 0.5 * kPlotHeight;
  out += "<text class=\"name\" text-anchor=\"middle\" transform=\"translate(11 " + coordinate(middle) +
         ") rotate(-90)\">" + escape_html(text.y_label) + "</text>";
  return out + "<text class=\"name\" text-anchor=\"middle\"" + attribute("x", kLeft + 0.5 * kPlotWidth) +
         attribute("y", kHeight - 6.0) + ">" + escape_html(text.x_label) + "</text>";
}

std::string value_labels(const Bars& bars) {
  const double step = kPlotWidth / static_cast<double>(bars.size());
  std::string out;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    out += label(kLeft + (static_cast<double>(i) + 0.5) * step, kHeight - kBottom + 15.0, "middle", bars.names[i]);
  }
  return out;
}

std::string scale_labels(const Bars& bars) {
  const double low = bars.edge(0);
  const double range = bars.edge(bars.size()) - low;
  const double step = nice_step(range, 6.0);
  std::string out;
  for (double value = std::ceil(low / step - 1e-9) * step; value <= low + range * 1.0001; value += step) {
    const double x = kLeft + kPlotWidth * (value - low) / range;
    const double y = kHeight - kBottom;
    out += line(x, y, x, y + 4.0, "axis");
    out += label(x, y + 15.0, "middle", number(std::abs(value) < 1e-9 * range ? 0.0 : value));
  }
  return out;
}

std::string bars_in_svg(const Bars& bars, const ChartLayer& layer, double top, double fill_share) {
  const double step = kPlotWidth / static_cast<double>(bars.size());
  const double width = std::min(step * fill_share, 46.0);
  std::string out;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double height = bars.heights[0][i];
    if (height == 0.0) continue;
    const double x = kLeft + (static_cast<double>(i) + 0.5) * step - 0.5 * width;
    const double y = y_of(height, top);
    out += titled(rectangle(x, y, width, kTop + kPlotHeight - y, "bar " + layer.colour),
                  bars.names[i] + ": " + layer_value(bars, height));
  }
  return out;
}

/// The outline of one layer from the left end of the axis to its right end.
std::string stepped_line(const Bars& bars, std::size_t layer, double top) {
  const double step = kPlotWidth / static_cast<double>(bars.size());
  std::string path;
  const auto go = [&path](char command, double to) { (path += command) += coordinate(to); };
  go('M', kLeft);
  path += ' ' + coordinate(kTop + kPlotHeight);
  for (std::size_t i = 0; i < bars.size(); ++i) {
    go('V', y_of(bars.heights[layer][i], top));
    go('H', kLeft + static_cast<double>(i + 1) * step);
  }
  go('V', kTop + kPlotHeight);
  return path;
}

std::string layers_in_svg(const Bars& bars, const std::vector<ChartLayer>& layers, double top) {
  std::string out;
  for (std::size_t k = 0; k < layers.size(); ++k) {
    out += "<path class=\"layer " + layers[k].colour + "\" d=\"" + stepped_line(bars, k, top) + "\"/>";
  }
  const double step = kPlotWidth / static_cast<double>(bars.size());
  for (std::size_t i = 0; i < bars.size(); ++i) {
    std::string words = bars.names[i] + ": ";
    for (std::size_t k = 0; k < layers.size(); ++k) {
      words += (k == 0 ? "" : ", ") + layers[k].name + " " + layer_value(bars, bars.heights[k][i]);
    }
    out += titled(rectangle(kLeft + static_cast<double>(i) * step, kTop, step, kPlotHeight, "hover"), words);
  }
  return out;
}

std::int64_t sum_of(const StackedBar& bar) {
  return std::accumulate(bar.parts.begin(), bar.parts.end(), std::int64_t{0});
}

std::string stacked_bar(const std::vector<BarPart>& parts, const StackedBar& bar, double y, double scale) {
  double x = 84.0;
  std::string out = label(76.0, y + 0.5 * kBarHeight + 4.0, "end", bar.name);
  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (bar.parts[k] == 0) continue;
    const double width = static_cast<double>(bar.parts[k]) * scale;
    const std::string count = grouped(bar.parts[k]);
    out += titled(rectangle(x, y, width, kBarHeight, "bar " + parts[k].colour), parts[k].name + ": " + count);
    if (width > 9.0 * static_cast<double>(count.size())) {
      out += "<text class=\"inside\" text-anchor=\"middle\"" + attribute("x", x + 0.5 * width) +
             attribute("y", y + 0.5 * kBarHeight + 4.0) + ">" + count + "</text>";
    }
    x += width;
  }
  return out + label(x + 6.0, y + 0.5 * kBarHeight + 4.0, "start", grouped(sum_of(bar)));
}

}  // namespace

std::string layers_in_words(const std::vector<ChartLayer>& layers) {
  std::string words;
  for (const ChartLayer& layer : layers) {
    const Distribution& values = layer.distribution;
    if (values.total() == 0) continue;
    const double low = values.quantile(0.0);
    const double high = values.quantile(1.0);
    words += (words.empty() ? "" : "; ") + layer.name + ": ";
    words += low == high ? "all " + number(low)
                         : "median " + number(values.quantile(0.5)) + ", " + number(low) + " to " + number(high);
    words += " (" + grouped(values.total()) + ")";
  }
  return words;
}

std::string histogram_svg(const ChartText& text, const std::vector<ChartLayer>& layers) {
  const bool few = layers.size() == 1 && layers.front().distribution.counts().size() <= kFewValues;
  const Bars bars = few ? bars_of_values(layers.front().distribution) : bars_of(layers);
  if (bars.highest <= 0.0) return "";
  double step = nice_step(bars.highest, 4.0);
  if (!bars.share) step = std::max(step, 1.0);
  const double top = std::ceil(bars.highest / step - 1e-9) * step;
  std::string content = vertical_axis(bars, text, step, top) + (few ? value_labels(bars) : scale_labels(bars));
  content +=
      layers.size() > 1 ? layers_in_svg(bars, layers, top) : bars_in_svg(bars, layers.front(), top, few ? 0.62 : 0.9);
  return svg(text, layers_in_words(layers), kHeight, content);
}

std::string stacked_bars_svg(const ChartText& text, const std::vector<BarPart>& parts,
                             const std::vector<StackedBar>& bars) {
  std::int64_t longest = 0;
  for (const StackedBar& bar : bars) longest = std::max(longest, sum_of(bar));
  if (longest == 0) return "";
  const double room = kWidth - 84.0 - 16.0 - 8.0 * static_cast<double>(grouped(longest).size());
  const double scale = room / static_cast<double>(longest);
  std::string content;
  std::string words;
  double y = 4.0;
  for (const StackedBar& bar : bars) {
    content += stacked_bar(parts, bar, y, scale);
    y += kBarStep;
    words += (words.empty() ? "" : "; ") + bar.name + ":";
    for (std::size_t k = 0; k < parts.size(); ++k) {
      words += (k == 0 ? " " : ", ") + grouped(bar.parts[k]) + " " + parts[k].name;
    }
  }
  content += line(84.0, 0.0, 84.0, y - (kBarStep - kBarHeight) + 4.0, "axis");
  content += label(84.0, y + 8.0, "start", text.x_label);
  return svg(text, words, y + 14.0, content);
}

}  // namespace pulmo::pipeline
