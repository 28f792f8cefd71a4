#include "training/evaluation/plots.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

// Distinct for colour-blind readers too (Okabe, Ito 2008).
constexpr std::array<const char*, 7> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#555555"};
constexpr double kSide = 320.0;  // of the ROC plot, px
constexpr double kLeft = 52.0, kTop = 34.0;
constexpr double kLegendLine = 18.0;
constexpr double kCell = 84.0;  // of a confusion matrix, px

std::string coordinate(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

std::string open_svg(double width, double height, const std::string& label) {
  const std::string w = coordinate(width), h = coordinate(height);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"" + escape_html(label) + "\" width=\"" +
         w + "\" height=\"" + h + "\" viewBox=\"0 0 " + w + ' ' + h + "\">\n";
}

struct TextStyle {
  const char* anchor = "start";
  const char* extra = "";
};

std::string text_at(double x, double y, const std::string& text, const TextStyle& style = {}) {
  return "<text x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" text-anchor=\"" + style.anchor + "\" " +
         style.extra + ">" + escape_html(text) + "</text>\n";
}

std::string line_between(double x1, double y1, double x2, double y2, const char* css) {
  return "<line class=\"" + std::string(css) + "\" x1=\"" + coordinate(x1) + "\" y1=\"" + coordinate(y1) + "\" x2=\"" +
         coordinate(x2) + "\" y2=\"" + coordinate(y2) + "\"/>\n";
}

double plot_x(double rate) {
  return kLeft + kSide * rate;
}
double plot_y(double rate) {
  return kTop + kSide * (1.0 - rate);
}

std::string roc_axes() {
  std::string svg;
  for (int tick = 0; tick <= 5; ++tick) {
    const double at = 0.2 * tick;
    const std::string label = coordinate(at).substr(0, 3);
    svg += line_between(plot_x(at), plot_y(0.0), plot_x(at), plot_y(1.0), "grid");
    svg += line_between(plot_x(0.0), plot_y(at), plot_x(1.0), plot_y(at), "grid");
    svg += text_at(plot_x(at), plot_y(0.0) + 16.0, label, {"middle"});
    svg += text_at(plot_x(0.0) - 6.0, plot_y(at) + 4.0, label, {"end"});
  }
  svg += line_between(plot_x(0.0), plot_y(0.0), plot_x(1.0), plot_y(1.0), "chance");
  svg += text_at(plot_x(0.5), plot_y(0.0) + 34.0, "false positive rate (1 - specificity)", {"middle"});
  const std::string turn =
      "transform=\"rotate(-90 " + coordinate(plot_x(0.0) - 36.0) + ' ' + coordinate(plot_y(0.5)) + ")\"";
  svg += text_at(plot_x(0.0) - 36.0, plot_y(0.5), "true positive rate (recall)", {"middle", turn.c_str()});
  return svg;
}

std::string roc_line(const RocSeries& one, const std::string& colour) {
  if (one.curve.empty()) return "";
  std::string points;
  for (const RocPoint& point : one.curve) {
    points += coordinate(plot_x(point.false_positive_rate)) + ',' + coordinate(plot_y(point.true_positive_rate)) + ' ';
  }
  std::string svg = "<polyline fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"" +
                    (one.emphasised ? "2.8" : "1.6") + "\" points=\"" + points + "\"/>\n";
  const RocPoint& at = one.operating_point;
  if (std::isfinite(at.false_positive_rate) && std::isfinite(at.true_positive_rate)) {
    svg += "<circle r=\"4\" fill=\"" + colour + "\" cx=\"" + coordinate(plot_x(at.false_positive_rate)) + "\" cy=\"" +
           coordinate(plot_y(at.true_positive_rate)) + "\"/>\n";
  }
  return svg;
}

std::string shade(double share) {
  // From white to the first colour of the palette.
  const auto mix = [&](int full) { return static_cast<int>(std::lround(255.0 + (full - 255.0) * share)); };
  char text[16];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", mix(0x00) & 0xff, mix(0x72) & 0xff, mix(0xb2) & 0xff);
  return text;
}

std::string cell_svg(double x, double y, double count, double share) {
  const std::string ink = share > 0.55 ? "fill=\"#ffffff\"" : "fill=\"#111111\"";
  const std::string strong = ink + " font-size=\"18\" font-weight=\"600\"";
  std::string svg = "<rect x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" width=\"" + coordinate(kCell) +
                    "\" height=\"" + coordinate(kCell) + "\" fill=\"" + shade(share) + "\" stroke=\"#ffffff\"/>\n";
  svg += text_at(x + kCell / 2, y + kCell / 2 + 2, std::to_string(std::llround(count)), {"middle", strong.c_str()});
  svg += text_at(x + kCell / 2, y + kCell / 2 + 20, std::to_string(std::lround(100.0 * share)) + " %",
                 {"middle", ink.c_str()});
  return svg;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string roc_svg(const std::vector<RocSeries>& series, const std::string& title) {
  const double legend_top = kTop + kSide + 60.0;
  const double height = legend_top + kLegendLine * static_cast<double>(series.size()) + 4.0;
  std::string svg = open_svg(kLeft + kSide + 20.0, height, "ROC curves: " + title);
  svg += text_at(kLeft, 18.0, title, {"start", "font-weight=\"600\""});
  svg += roc_axes();
  for (std::size_t i = 0; i < series.size(); ++i) {
    const std::string colour = kColours[i % kColours.size()];
    const double y = legend_top + kLegendLine * static_cast<double>(i);
    svg += roc_line(series[i], colour);
    svg += "<rect x=\"" + coordinate(kLeft) + "\" y=\"" + coordinate(y - 6.0) + "\" width=\"22\" height=\"4\" fill=\"" +
           colour + "\"/>\n";
    svg += text_at(kLeft + 30.0, y, series[i].title + ", AUC " + figure(series[i].auc));
  }
  return svg + "</svg>\n";
}

std::string confusion_svg(const std::vector<std::vector<double>>& confusion, const std::vector<std::string>& classes,
                          const std::string& title) {
  const double size = kCell * static_cast<double>(classes.size());
  const double left = 96.0, top = 62.0;
  std::string svg = open_svg(std::max(left + size + 10.0, 250.0), top + size + 8.0, "Confusion matrix: " + title);
  svg += text_at(4.0, 18.0, title, {"start", "font-weight=\"600\""});
  svg += text_at(left + size / 2, 38.0, "decided", {"middle", "class=\"dim\""});
  svg += text_at(4.0, top - 6.0, "truth", {"start", "class=\"dim\""});
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const double offset = kCell * static_cast<double>(i);
    svg += text_at(left + offset + kCell / 2, top - 6.0, classes[i], {"middle"});
    svg += text_at(left - 8.0, top + offset + kCell / 2 + 4.0, classes[i], {"end"});
    double all = 0.0;
    for (const double count : confusion[i]) all += count;
    for (std::size_t k = 0; k < classes.size(); ++k) {
      const double share = all > 0.0 ? confusion[i][k] / all : 0.0;
      svg += cell_svg(left + kCell * static_cast<double>(k), top + offset, confusion[i][k], share);
    }
  }
  return svg + "</svg>\n";
}

}  // namespace pulmo::training
