#include "serving/json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/image/slice.h"
#include "core/support/html.h"
#include "core/support/version.h"

namespace pulmo::serving {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

double milliseconds(double seconds) {
  return std::round(seconds * 1e6) / 1e3;  // to the microsecond
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
  result["lung_fraction"] = prediction.lung_fraction;
  result["input"] = {{"lung_fraction", prediction.input.lung_fraction},
                     {"mean_intensity", prediction.input.mean_intensity},
                     {"unusual", prediction.unusual}};
  result["warnings"] = prediction.warnings;
  result["timings_ms"] = {{"decode", milliseconds(prediction.times.decode_s)},
                          {"preprocess", milliseconds(prediction.times.preprocess_s)},
                          {"queue", milliseconds(prediction.times.queue_s)},
                          {"infer", milliseconds(prediction.times.infer_s)}};
  if (!prediction.preview_png.empty()) result["preview"] = "data:image/png;base64," + base64(prediction.preview_png);
  if (!prediction.picture_png.empty()) result["picture"] = "data:image/png;base64," + base64(prediction.picture_png);
  return result;
}

Json result_of(const SliceFailure& failure, const BundleMetadata& /*metadata*/) {
  return {{"name", failure.name}, {"error", {{"code", failure.code}, {"message", failure.message}}}};
}

}  // namespace

std::string prediction_json(const ServedModel& model, const std::vector<SliceOutcome>& outcomes,
                            const std::string& request_id) {
  const BundleMetadata& metadata = model.metadata();
  Json document;
  document["request_id"] = request_id;
  document["model"] = {{"name", model.name()}, {"version", model.version()}, {"sha256", model.sha256()}};
  document["results"] = Json::array();
  for (const SliceOutcome& outcome : outcomes) {
    document["results"].push_back(std::visit([&](const auto& one) { return result_of(one, metadata); }, outcome));
  }
  document["notice"] = kNotice;
  return text_of(document);
}

std::string models_json(const ModelRepository& models) {
  Json document;
  document["default"] = models.default_model();
  document["models"] = Json::array();
  for (const auto& model : models.models()) {
    const BundleMetadata& metadata = model->metadata();
    document["models"].push_back({{"name", model->name()},
                                  {"version", model->version()},
                                  {"sha256", model->sha256()},
                                  {"row", metadata.row},
                                  {"task", metadata.task},
                                  {"classes", metadata.class_names},
                                  {"positive_class", metadata.positive_class},
                                  {"threshold", metadata.threshold},
                                  {"temperature", metadata.temperature},
                                  {"phantom", metadata.phantom},
                                  {"metrics", Json::parse(metadata.metrics_json)}});
  }
  return text_of(document);
}

std::string server_json(const ModelRepository& models) {
  Json names = Json::array();
  for (const auto& model : models.models()) {
    if (names.empty() || names.back() != model->name()) names.push_back(model->name());
  }
  return text_of({{"name", "pulmo"},
                  {"version", version()},
                  {"extensions", {"binary_tensor_data", "model_repository"}},
                  {"models", std::move(names)},
                  {"notice", kNotice}});
}

std::string model_json(const ServedModel& model, const std::vector<std::string>& versions) {
  const BundleMetadata& metadata = model.metadata();
  const Json input = {{"name", "image"},
                      {"datatype", "FP32"},
                      {"shape", {-1, metadata.channels, metadata.spec.size_px, metadata.spec.size_px}}};
  const Json probabilities = {
      {"name", "probabilities"}, {"datatype", "FP64"}, {"shape", {-1, metadata.class_names.size()}}};
  const Json chosen = {{"name", "class"}, {"datatype", "BYTES"}, {"shape", Json::array({-1})}};
  const Json file = {{"name", "file"}, {"datatype", "BYTES"}, {"shape", Json::array({-1})}};
  Json document;
  document["name"] = model.name();
  document["versions"] = versions;
  document["platform"] = "pytorch_torchscript";
  document["inputs"] = Json::array({input});
  document["outputs"] = Json::array({probabilities, chosen});
  document["parameters"] = {{"sha256", model.sha256()},
                            {"task", metadata.task},
                            {"classes", metadata.class_names},
                            {"positive_class", metadata.positive_class},
                            {"threshold", metadata.threshold},
                            {"temperature", metadata.temperature},
                            {"phantom", metadata.phantom},
                            {"created", metadata.created},
                            {"pulmo_version", metadata.pulmo_version},
                            {"preprocess", Json::parse(spec_to_json(metadata.spec))},
                            {"instead_of_image", file},
                            {"notice", kNotice}};
  return text_of(document);
}

std::string flag_json(const std::string& key, bool value) {
  return text_of({{key, value}});
}

std::string model_ready_json(const std::string& name, bool ready) {
  return text_of({{"name", name}, {"ready", ready}});
}

}  // namespace pulmo::serving
