#include "training/checkpoint.h"

#include <torch/csrc/jit/serialization/pickle.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/support/error.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::json;
using TensorDict = c10::Dict<std::string, at::Tensor>;

constexpr const char* kState = "state";

Json to_json(const Progress& p) {
  return {{"epoch", p.epoch},
          {"step", p.step},
          {"global_step", p.global_step},
          {"loss", p.meter.loss},
          {"correct", p.meter.correct},
          {"samples", p.meter.samples},
          {"outline_loss", p.meter.outline_loss},
          {"outlined", p.meter.outlined},
          {"epoch_seconds", p.epoch_seconds},
          {"epoch_wait", p.epoch_wait},
          {"total_seconds", p.total_seconds},
          {"finished", p.finished}};
}

Progress progress_from(const Json& json) {
  Progress p;
  p.epoch = json.at("epoch");
  p.step = json.at("step");
  p.global_step = json.at("global_step");
  // Older checkpoints lack the last two: the mean of an epoch under way is then over the rest of it.
  p.meter = {json.at("loss"), json.at("correct"), json.at("samples"), json.value("outline_loss", 0.0),
             json.value("outlined", 0.0)};
  p.epoch_seconds = json.at("epoch_seconds");
  p.epoch_wait = json.at("epoch_wait");
  p.total_seconds = json.at("total_seconds");
  p.finished = json.at("finished");
  return p;
}

Json names_of(const NamedTensors& tensors) {
  Json names = Json::array();
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

std::string state_text(const Checkpoint& checkpoint) {
  const Json json = {
      {"format_version", kCheckpointFormatVersion},
      {"identity", checkpoint.identity},
      {"precision", checkpoint.precision},
      {"progress", to_json(checkpoint.progress)},
      {"best",
       {{"epoch", checkpoint.best.epoch}, {"roc_auc", checkpoint.best.roc_auc}, {"loss", checkpoint.best.loss}}},
      {"adam_steps", checkpoint.adam_steps},
      {"weights", names_of(checkpoint.weights)},
      {"moments", names_of(checkpoint.moments)},
      {"best_weights", names_of(checkpoint.best_weights)},
      {"average", names_of(checkpoint.average)}};
  return json.dump();
}

at::Tensor text_tensor(const std::string& text) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), tensor.data_ptr<std::uint8_t>());
  return tensor;
}

std::string tensor_text(const at::Tensor& tensor) {
  const at::Tensor bytes = tensor.contiguous();
  const auto* data = bytes.data_ptr<std::uint8_t>();
  return {data, data + bytes.numel()};
}

void put(TensorDict& dict, const std::string& prefix, const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) dict.insert(prefix + name, tensor.to(at::kCPU));
}

NamedTensors take(const c10::impl::GenericDict& dict, const std::string& prefix, const Json& names) {
  NamedTensors tensors;
  for (const std::string name : names) tensors.emplace_back(name, dict.at(prefix + name).toTensor());
  return tensors;
}

Checkpoint from_dict(const c10::impl::GenericDict& dict) {
  const Json json = Json::parse(tensor_text(dict.at(kState).toTensor()));
  const int version = json.at("format_version");
  if (version > kCheckpointFormatVersion) {
    throw InvalidInput("checkpoint", "the checkpoint has format version " + std::to_string(version) +
                                         ", this program reads up to " + std::to_string(kCheckpointFormatVersion) +
                                         ": use the newer pulmo-train, or --fresh");
  }
  Checkpoint checkpoint;
  checkpoint.identity = json.at("identity");
  checkpoint.precision = json.at("precision");
  checkpoint.progress = progress_from(json.at("progress"));
  const Json& best = json.at("best");
  checkpoint.best = {best.at("epoch"), best.at("roc_auc"), best.at("loss")};
  checkpoint.adam_steps = json.at("adam_steps");
  checkpoint.weights = take(dict, "weights.", json.at("weights"));
  checkpoint.moments = take(dict, "moments.", json.at("moments"));
  checkpoint.best_weights = take(dict, "best.", json.at("best_weights"));
  if (version >= 2) checkpoint.average = take(dict, "average.", json.at("average"));
  return checkpoint;
}

}  // namespace

bool Best::beaten_by(double other_roc_auc, double other_loss) const {
  if (epoch < 0 || std::isnan(roc_auc)) return true;  // an area that is undefined is no better than any
  return other_roc_auc > roc_auc || (other_roc_auc == roc_auc && other_loss < loss);
}

std::vector<char> encode_checkpoint(const Checkpoint& checkpoint) {
  TensorDict dict;
  dict.insert(kState, text_tensor(state_text(checkpoint)));
  put(dict, "weights.", checkpoint.weights);
  put(dict, "moments.", checkpoint.moments);
  put(dict, "best.", checkpoint.best_weights);
  put(dict, "average.", checkpoint.average);
  return torch::jit::pickle_save(dict);
}

Checkpoint decode_checkpoint(const std::vector<char>& bytes) {
  try {
    return from_dict(torch::jit::pickle_load(bytes).toGenericDict());
  } catch (const c10::Error& error) {
    throw InvalidInput("checkpoint", std::string("the checkpoint cannot be read: ") + error.what_without_backtrace());
  } catch (const Json::exception& error) {
    throw InvalidInput("checkpoint", std::string("the checkpoint's state cannot be read: ") + error.what());
  }
}

}  // namespace pulmo::training
