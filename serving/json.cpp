#include "serving/json.h"

#include "core/support/version.h"
#include "serving/json_text.h"

namespace pulmo::serving {
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
  std::vector<std::int64_t> shape = {-1, metadata.channels, metadata.spec.size_px, metadata.spec.size_px};
  if (metadata.depth > 0) shape.insert(shape.begin() + 2, metadata.depth);
  const Json input = {{"name", "image"}, {"datatype", "FP32"}, {"shape", shape}};
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
