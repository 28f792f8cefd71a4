#include "pipeline/inspection/page_sections.h"

#include <algorithm>
#include <functional>
#include <future>

#include "core/support/html.h"
#include "core/support/processors.h"
#include "pipeline/inspection/chart.h"
#include "pipeline/inspection/grouped.h"
#include "pipeline/inspection/measures.h"
#include "pipeline/inspection/montage.h"

namespace pulmo::pipeline {
namespace {

constexpr int kPageTilePx = 216;
constexpr int kPageColumns = 5;
constexpr int kPageSamples = 10;
constexpr std::size_t kScannersShown = 12;

std::string figure(const std::string& title, const std::string& words, const std::string& picture) {
  if (picture.empty()) return "";
  return "<figure class=\"chart\"><figcaption><h3>" + escape_html(title) + "</h3><p>" + escape_html(words) +
         "</p></figcaption>" + picture + "</figure>\n";
}

std::string legend(const Manifest& manifest) {
  std::string out = "<ul class=\"legend\">";
  for (const std::string& name : manifest.class_names) {
    out += "<li><i class=\"swatch " + colour_of(manifest, name) + "\"></i>" + escape_html(name) + "</li>";
  }
  return out + "</ul>";
}

std::string cell(const std::string& text, const char* kind = "") {
  return std::string("<td") + kind + ">" + text + "</td>";
}

/// "120" and below it "8 patients, 12 series".
std::string count_cell(const SampleCount& count, const std::string& groups) {
  return cell(grouped(count.samples) + "<small>" + grouped(static_cast<std::int64_t>(count.patients.size())) +
                  " patients, " + grouped(static_cast<std::int64_t>(count.groups.size())) + " " + groups + "</small>",
              " class=\"number\"");
}

std::string split_table(const PageContent& content) {
  const auto& names = content.manifest().class_names;
  const std::string groups = groups_word(content.manifest());
  std::string out = "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">part</th>";
  for (const std::string& name : names) out += "<th scope=\"col\" class=\"number\">" + escape_html(name) + "</th>";
  out += "<th scope=\"col\" class=\"number\">all</th></tr></thead><tbody>";
  for (const SplitSummary& split : content.summary.splits) {
    out += std::string(split.name == "total" ? "<tr class=\"total\">" : "<tr>") + "<th scope=\"row\">" + split.name +
           "</th>";
    for (const SampleCount& count : split.classes) out += count_cell(count, groups);
    out += count_cell(split.all, groups) + "</tr>";
  }
  return out + "</tbody></table></div>";
}

std::string samples_chart(const PageContent& content) {
  std::vector<BarPart> parts;
  std::vector<StackedBar> bars;
  for (const std::string& name : content.manifest().class_names) {
    parts.push_back({name, colour_of(content.manifest(), name)});
  }
  for (const SplitSummary& split : content.summary.splits) {
    if (split.name == "total") continue;
    StackedBar& bar = bars.emplace_back(StackedBar{split.name, {}});
    for (const SampleCount& count : split.classes) bar.parts.push_back(count.samples);
  }
  const std::string what = samples_word(content.manifest());
  return figure("Samples of each part", "Divided by class.",
                stacked_bars_svg({"Samples of each part", what, ""}, parts, bars));
}

std::string patients_chart(const PageContent& content) {
  std::vector<StackedBar> bars;
  for (const SplitSummary& split : content.summary.splits) {
    if (split.name != "total") bars.push_back({split.name, {static_cast<std::int64_t>(split.all.patients.size())}});
  }
  return figure("Patients of each part", "Nobody is in two parts.",
                stacked_bars_svg({"Patients of each part", "patients", ""}, {{"patients", "plain"}}, bars));
}

const std::map<std::string, Distribution>* find(const PageContent& content, const Measure& measure) {
  if (!content.report) return nullptr;
  const auto found = content.report->statistics.values.find(std::string(measure.name));
  return found == content.report->statistics.values.end() ? nullptr : &found->second;
}

/// A histogram of one measure, whoever it was counted by: series, nodules, or the classes.
std::string measure_chart(const PageContent& content, const Measure& measure, const std::string& title,
                          const std::string& unit) {
  const auto* distributions = find(content, measure);
  if (distributions == nullptr) return "";
  std::vector<ChartLayer> layers;
  for (const std::string& name : content.manifest().class_names) {
    const auto found = distributions->find(name);
    if (found != distributions->end()) layers.push_back({name, colour_of(content.manifest(), name), found->second});
  }
  if (layers.empty()) {
    for (const auto& [by, distribution] : *distributions) layers.push_back({by, "plain", distribution});
  }
  const std::string axis = layers.size() > 1 ? "share of each class" : layers.front().name;
  return figure(title, layers_in_words(layers), histogram_svg({title, unit, axis}, layers));
}

std::string scanner_list(const PageContent& content) {
  if (!content.report || content.report->statistics.scanners.empty()) return "";
  const auto& scanners = content.report->statistics.scanners;
  std::vector<std::pair<std::string, std::int64_t>> sorted(scanners.begin(), scanners.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out =
      "<figure class=\"chart\"><figcaption><h3>Scanners</h3><p>Series of each maker and model.</p>"
      "</figcaption><ol class=\"rows\">";
  std::int64_t others = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i >= kScannersShown) {
      others += sorted[i].second;
      continue;
    }
    const double share = 100.0 * static_cast<double>(sorted[i].second) / static_cast<double>(sorted.front().second);
    out += "<li><span>" + escape_html(sorted[i].first) + "</span><b>" + grouped(sorted[i].second) +
           "</b><i style=\"width:" + plain_number(share) + "%\"></i></li>";
  }
  if (others > 0) {
    out += "<li><span>" + std::to_string(sorted.size() - kScannersShown) + " more</span><b>" + grouped(others) +
           "</b></li>";
  }
  return out + "</ol></figure>\n";
}

std::string charts(const std::string& content, const char* kind = "charts") {
  return content.empty() ? "" : std::string("<div class=\"") + kind + "\">" + content + "</div>";
}

}  // namespace

std::string samples_word(const Manifest& manifest) {
  if (manifest.task == "slice") return "slices";
  return manifest.shape.depth > 0 ? "nodule volumes" : "nodule patches";
}

std::string groups_word(const Manifest& manifest) {
  if (manifest.source == "images") return "groups";
  return manifest.task == "slice" ? "series" : "nodules";
}

std::string colour_of(const Manifest& manifest, const std::string& class_name) {
  if (class_name == manifest.positive_class) return "positive";
  std::size_t others = 0;
  for (const std::string& name : manifest.class_names) {
    if (name == class_name) break;
    if (name != manifest.positive_class) ++others;
  }
  return "other" + std::to_string(others % 6);
}

std::string counts_section(const PageContent& content) {
  return section(
      "counts", "Counts by part and class",
      legend(content.manifest()) + charts(samples_chart(content) + patients_chart(content)) + split_table(content));
}

std::string pictures_section(const PageContent& content) {
  MontageOptions options;
  options.tile_px = kPageTilePx;
  options.columns = kPageColumns;
  options.samples_per_class = kPageSamples;
  const PreparedData& data = content.summary.data;
  std::string body = "<ul class=\"legend\">";
  if (data.has_lungs()) body += "<li><i class=\"swatch lungs\"></i>lungs</li>";
  if (data.has_nodules()) {
    body +=
        "<li><i class=\"swatch any-reader\"></i>nodule, any reader</li><li><i class=\"swatch half\"></i>nodule, at "
        "least half of its readers</li>";
  }
  body += "</ul>";
  const std::size_t classes = content.manifest().class_names.size();
  std::vector<std::future<std::string>> montages(classes);  // drawn side by side where there are processors for that
  const auto policy =
      classes <= static_cast<std::size_t>(usable_processors()) ? std::launch::async : std::launch::deferred;
  for (std::size_t k = 0; k < classes; ++k) {
    if (content.summary.total().classes[k].samples == 0) continue;
    montages[k] =
        std::async(policy, class_montage_png, std::cref(data), static_cast<std::uint8_t>(k), std::cref(options));
  }
  for (std::size_t k = 0; k < classes; ++k) {
    if (!montages[k].valid()) continue;
    const std::string& name = content.manifest().class_names[k];
    const std::int64_t total = content.summary.total().classes[k].samples;
    const std::string words = std::to_string(std::min<std::int64_t>(kPageSamples, total)) + " of " + grouped(total) +
                              " " + samples_word(content.manifest()) + " of class " + name;
    body += "<figure class=\"montage\"><figcaption><h3>" + escape_html(name) + "</h3><p>" + escape_html(words) +
            ", of as many patients as possible, as they are stored</p></figcaption><div class=\"scroll\"><img alt=\"" +
            escape_html(words) + "\" src=\"data:image/png;base64," + base64(as_bytes(montages[k].get())) +
            "\"></div></figure>\n";
  }
  return section("pictures", "What the samples look like", body);
}

std::string scanners_section(const PageContent& content) {
  return section(
      "scanners", "Scanners and geometry",
      charts(scanner_list(content) + measure_chart(content, measure::kPixelSpacing, "Pixel spacing", "mm") +
             measure_chart(content, measure::kSliceThickness, "Slice thickness", "mm") +
             measure_chart(content, measure::kSliceSpacing, "Distance of slices", "mm") +
             measure_chart(content, measure::kSlicesOfSeries, "Length of series", "slices") +
             measure_chart(content, measure::kMalignancy, "Malignancy of nodules", "consensus of the readers, 1 to 5") +
             measure_chart(content, measure::kReaders, "Readers of a nodule", "readers who outlined it")));
}

std::string values_section(const PageContent& content) {
  const std::string body = charts(
      measure_chart(content, measure::kPixelsHu, "Hounsfield units before preprocessing", "HU, every 16th pixel") +
          measure_chart(content, measure::kPixelsGrey, "Grey values before preprocessing", "0 to 1, every 16th pixel") +
          measure_chart(content, measure::kMeanIntensity, "Mean value after preprocessing",
                        content.manifest().spec.mask == LungMasking::kLungs ? "mean inside of the lungs, 0 to 1"
                                                                            : "mean of the picture, 0 to 1") +
          measure_chart(content, measure::kLungFraction, "Lung in the picture", "share of the picture, 0 to 1") +
          measure_chart(content, measure::kRelativeHeight, "Height in the chest",
                        "0 lowest, 1 highest slice of the scan"),
      "charts wide");
  if (body.empty()) return "";
  const bool slices = content.manifest().task == "slice";
  const std::string hint =
      slices ? "Classes that differ in brightness, lung share or height alone can be told apart without looking at a "
               "nodule: these lines should lie close together."
             : "Nodules of one class may well be brighter than those of another; lines that lie far apart show what a "
               "model can learn without looking at shape.";
  return section("values", "Values, class by class",
                 "<p class=\"hint\">" + hint + "</p>" + legend(content.manifest()) + body);
}

}  // namespace pulmo::pipeline
