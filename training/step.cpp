#include "training/step.h"

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

namespace pulmo::training {

Meter& Meter::operator+=(const Meter& other) {
  loss += other.loss;
  correct += other.correct;
  samples += other.samples;
  return *this;
}

torch::Tensor images_tensor(const Batch& batch, const SampleShape& shape, torch::ScalarType type) {
  const auto count = static_cast<std::int64_t>(batch.indices.size());
  auto* pixels = const_cast<float*>(batch.pixels.data());  // from_blob takes no const; nobody writes
  const torch::Tensor view = torch::from_blob(pixels, {count, shape.channels, shape.height, shape.width});
  return view.to(type);
}

TrainingStep::TrainingStep(const Parts& parts)
    : parts_(parts),
      class_weights_(torch::tensor(parts.class_weights, torch::kFloat64)
                         .to(parts.weights.type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32)) {}

Meter TrainingStep::backward(const Batch& batch, std::int64_t global_size) {
  for (torch::Tensor& parameter : parts_.weights.parameters()) parameter.mutable_grad() = torch::Tensor();
  if (batch.indices.empty()) return {};
  const torch::Tensor images = images_tensor(batch, parts_.shape, parts_.weights.type());
  const torch::Tensor labels = torch::tensor(batch.labels, torch::kInt64);
  const torch::Tensor logits =
      parts_.weights.network().forward(images, batch.dropout_seeds).to(class_weights_.scalar_type());
  const torch::Tensor log_probabilities = torch::log_softmax(logits, 1);
  const torch::Tensor losses =
      -log_probabilities.gather(1, labels.unsqueeze(1)).squeeze(1) * class_weights_.index_select(0, labels);
  const torch::Tensor loss = losses.sum();
  (loss / static_cast<double>(global_size)).backward();
  Meter meter;
  meter.loss = loss.item<double>();
  meter.correct = logits.detach().argmax(1).eq(labels).sum().item<double>();
  meter.samples = static_cast<double>(batch.indices.size());
  return meter;
}

void TrainingStep::update(double learning_rate) {
  for (torch::Tensor& parameter : parts_.weights.parameters()) {
    const torch::Tensor gradient = parameter.grad();
    parts_.sync.add(gradient.defined() ? gradient : torch::zeros_like(parameter));
  }
  parts_.adam.step(parts_.sync.finish(), learning_rate);
}

}  // namespace pulmo::training
