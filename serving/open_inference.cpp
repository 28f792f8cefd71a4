#include "serving/open_inference.h"

#include <nlohmann/json.hpp>

#include "core/support/version.h"
#include "serving/json.h"

namespace pulmo::serving {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <typename Value>
void append_raw(std::string& wire, const Value& value) {
  wire.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// One output tensor: its description goes into the JSON, its content there or to the end of `binary`.
Json probabilities_tensor(const std::vector<Prediction>& predictions, std::size_t classes, bool as_binary,
                          std::string& binary) {
  Json tensor = {
      {"name", kProbabilitiesOutput}, {"shape", Json::array({predictions.size(), classes})}, {"datatype", "FP64"}};
  const std::size_t before = binary.size();
  Json data = Json::array();
  for (const Prediction& prediction : predictions) {
    for (const double probability : prediction.probabilities) {
      if (as_binary) append_raw(binary, probability);
      if (!as_binary) data.push_back(probability);
    }
  }
  if (as_binary) tensor["parameters"] = {{"binary_data_size", binary.size() - before}};
  if (!as_binary) tensor["data"] = std::move(data);
  return tensor;
}

Json class_tensor(const std::vector<Prediction>& predictions, bool as_binary, std::string& binary) {
  Json tensor = {{"name", kClassOutput}, {"shape", Json::array({predictions.size()})}, {"datatype", "BYTES"}};
  const std::size_t before = binary.size();
  Json data = Json::array();
  for (const Prediction& prediction : predictions) {
    if (as_binary) {
      append_raw(binary, static_cast<std::uint32_t>(prediction.class_name.size()));
      binary += prediction.class_name;
    } else {
      data.push_back(prediction.class_name);
    }
  }
  if (as_binary) tensor["parameters"] = {{"binary_data_size", binary.size() - before}};
  if (!as_binary) tensor["data"] = std::move(data);
  return tensor;
}

}  // namespace

void check_outputs(const InferRequest& request) {
  for (const InferOutput& output : request.outputs) {
    if (output.name != kProbabilitiesOutput && output.name != kClassOutput) {
      throw HttpRefusal(400, "bad_parameter", "the model has the outputs probabilities and class, not " + output.name);
    }
  }
}

HttpResponse inference_reply(const InferRequest& request, const ServedModel& model,
                             const std::vector<Prediction>& predictions) {
  std::vector<InferOutput> outputs = request.outputs;
  if (outputs.empty()) {
    for (const std::string_view name : {kProbabilitiesOutput, kClassOutput}) {
      outputs.push_back({std::string(name), request.binary_outputs});
    }
  }
  std::string binary;
  Json document = {{"model_name", model.name()}, {"model_version", model.version()}};
  if (request.id) document["id"] = *request.id;
  document["parameters"] = {{"notice", kNotice}};
  document["outputs"] = Json::array();
  for (const InferOutput& output : outputs) {
    document["outputs"].push_back(
        output.name == kClassOutput
            ? class_tensor(predictions, output.binary, binary)
            : probabilities_tensor(predictions, model.metadata().class_names.size(), output.binary, binary));
  }
  HttpResponse response;
  response.body = text_of(document);
  response.headers.push_back({"Cache-Control", "no-store"});
  if (!binary.empty()) {
    response.content_type = "application/octet-stream";
    response.headers.push_back({"Inference-Header-Content-Length", std::to_string(response.body.size())});
    response.body += binary;
  }
  return response;
}

HttpResponse inference_error(HttpResponse refusal) {
  const Json document = Json::parse(refusal.body, nullptr, false);
  if (document.is_object() && document.contains("error") && document["error"].is_object()) {
    refusal.body = text_of({{"error", document["error"].value("message", "")}}) + "\n";
  }
  return refusal;
}

std::string index_json(const std::vector<IndexEntry>& index, bool ready_only) {
  Json list = Json::array();
  for (const IndexEntry& entry : index) {
    if (ready_only && !entry.ready) continue;
    Json item = {{"name", entry.name}};
    if (!entry.version.empty()) item["version"] = entry.version;
    item["state"] = entry.ready ? "READY" : "UNAVAILABLE";
    item["reason"] = entry.reason;
    list.push_back(std::move(item));
  }
  return text_of(list) + "\n";
}

}  // namespace pulmo::serving
