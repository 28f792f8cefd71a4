#include "serving/prediction_json.h"

#include <cmath>

#include "core/support/html.h"
#include "core/support/version.h"
#include "serving/json_text.h"

namespace pulmo::serving {
namespace {

double milliseconds(double seconds) {
  return std::round(seconds * 1e6) / 1e3;  // to the microsecond
}

template <typename Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string data_url(const Bytes& png) {
  return "data:image/png;base64," + base64(png);
}

Json explanation_of(const Explanation& explanation) {
  Json document;
  document["method"] = explanation.method;
  document["class"] = explanation.class_name;
  document["rows"] = explanation.rows;
  document["columns"] = explanation.columns;
  document["picture"] = data_url(explanation.picture_png);
  document["lungs"] = data_url(explanation.lungs_png);
  document["heat"] = data_url(explanation.heat_png);
  document["peak"] = nullptr;
  document["inside_lungs"] = nullptr;
  if (explanation.peak) {
    document["peak"] = {{"row", explanation.peak->y}, {"column", explanation.peak->x}};
    document["inside_lungs"] = explanation.inside_lungs;
  }
  if (explanation.share) document["share"] = *explanation.share;
  if (const auto& nodule = explanation.nodule) {
    document["nodule"] = {{"outline", data_url(nodule->png)},
                          {"area_px", nodule->area_px},
                          {"largest_probability", nodule->largest_probability}};
  }
  return document;
}

Json times_of(const SliceTimes& times) {
  Json document = {{"wait", milliseconds(times.wait_s)},
                   {"decode", milliseconds(times.decode_s)},
                   {"preprocess", milliseconds(times.preprocess_s)},
                   {"queue", milliseconds(times.queue_s)},
                   {"infer", milliseconds(times.infer_s)}};
  if (times.explain_s) document["explain"] = milliseconds(*times.explain_s);
  return document;
}

Json result_of(const Prediction& prediction, const BundleMetadata& metadata) {
  Json probabilities = Json::object();
  for (std::size_t k = 0; k < metadata.class_names.size(); ++k) {
    probabilities[metadata.class_names[k]] = prediction.probabilities.at(k);
  }
  Json result;
  result["name"] = prediction.name;
  result["kind"] = to_string(prediction.kind);
  result["class"] = prediction.class_name;
  result["probabilities"] = std::move(probabilities);
  result["threshold"] = metadata.threshold;
  if (prediction.attention) result["attention"] = *prediction.attention;
  result["lung_fraction"] = prediction.lung_fraction;
  result["input"] = {{"lung_fraction", prediction.input.lung_fraction},
                     {"mean_intensity", prediction.input.mean_intensity},
                     {"unusual", prediction.unusual}};
  result["warnings"] = prediction.warnings;
  result["timings_ms"] = times_of(prediction.times);
  if (!prediction.preview_png.empty()) result["preview"] = data_url(prediction.preview_png);
  if (!prediction.picture_png.empty()) result["picture"] = data_url(prediction.picture_png);
  if (prediction.explanation) result["explanation"] = explanation_of(*prediction.explanation);
  return result;
}

Json result_of(const SliceFailure& failure, const BundleMetadata& /*metadata*/) {
  return {{"name", failure.name}, {"error", {{"code", failure.code}, {"message", failure.message}}}};
}

/// The results that were judged together, of a model of volumes.
Json judged_with(const SliceOutcome& outcome, const std::vector<std::size_t>& result_of_outcome) {
  Json indices = Json::array();
  const auto* prediction = std::get_if<Prediction>(&outcome);
  if (prediction == nullptr) return indices;
  for (const std::size_t other : prediction->stack) indices.push_back(result_of_outcome.at(other));
  return indices;
}

Json results_of(const std::vector<SliceOutcome>& outcomes, const Report& report, const BundleMetadata& metadata) {
  std::vector<std::size_t> result_of_outcome(outcomes.size());
  for (std::size_t i = 0; i < report.entries.size(); ++i) result_of_outcome[report.entries[i].outcome] = i;
  Json results = Json::array();
  for (const Report::Entry& entry : report.entries) {
    if (entry.series && report.summary_only) continue;
    Json result = std::visit([&](const auto& one) { return result_of(one, metadata); }, outcomes.at(entry.outcome));
    if (Json others = judged_with(outcomes[entry.outcome], result_of_outcome); !others.empty()) {
      result["judged_with"] = std::move(others);
    }
    if (entry.series) {
      result["series"] = *entry.series;
      result["position_mm"] = or_null(entry.position_mm);
    }
    results.push_back(std::move(result));
  }
  return results;
}

Json region_of(const Series& series, const Series::Region& region) {
  const auto position = [&](std::size_t i) { return or_null(series.points.at(i).position_mm); };
  return {{"from_mm", position(region.first)},
          {"to_mm", position(region.last)},
          {"peak_mm", position(region.peak)},
          {"peak_result", series.points.at(region.peak).slice},
          {"probability", region.probability}};
}

Json series_of(const Series& series, const BundleMetadata& metadata) {
  Json document;
  document["slices"] = series.points.size();
  document["predicted"] = series.predicted;
  document["refused"] = series.points.size() - series.predicted;
  document["spacing_mm"] = or_null(series.spacing_mm);
  document["class"] = series.class_name.empty() ? Json(nullptr) : Json(series.class_name);
  document["probability"] = or_null(series.probability);
  document["threshold"] = metadata.threshold;
  document["rule"] = kSeriesRule;
  document["profile"] = Json::array();
  for (const Series::Point& point : series.points) {
    document["profile"].push_back({{"result", point.slice},
                                   {"position_mm", or_null(point.position_mm)},
                                   {"probability", or_null(point.probability)}});
  }
  document["suspicious"] = Json::array();
  for (const Series::Region& region : series.suspicious) document["suspicious"].push_back(region_of(series, region));
  document["warnings"] = series.warnings;
  return document;
}

}  // namespace

std::string prediction_json(const ServedModel& model, const std::vector<SliceOutcome>& outcomes, const Report& report,
                            const std::string& request_id) {
  const BundleMetadata& metadata = model.metadata();
  Json document;
  document["request_id"] = request_id;
  document["model"] = {{"name", model.name()}, {"version", model.version()}, {"sha256", model.sha256()}};
  document["results"] = results_of(outcomes, report, metadata);
  if (report.archived || !report.series.empty()) {
    document["summary"] = {{"series", Json::array()}, {"skipped", report.skipped}};
    for (const Series& series : report.series) document["summary"]["series"].push_back(series_of(series, metadata));
  }
  document["notice"] = kNotice;
  return text_of(document);
}

std::string job_json(const JobStatus& status) {
  Json document;
  document["job"] = {
      {"id", status.id}, {"state", to_string(status.state)}, {"done", status.done}, {"total", status.total}};
  if (status.error) document["error"] = {{"code", status.error->code}, {"message", status.error->message}};
  std::string text = text_of(document);
  if (status.result) {  // a document already: it is put in as it stands
    text.resize(text.rfind('}'));
    text += ",\"result\":" + *status.result + "}\n";
  }
  return text;
}

}  // namespace pulmo::serving
