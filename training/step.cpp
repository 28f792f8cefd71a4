#include "training/step.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "training/outline_loss.h"
#include "training/sampler.h"

namespace pulmo::training {

namespace {

constexpr double kDoubt = 1e-6;  // the least that focal loss counts of 1 - p

/// Tells the exchange that a weight's gradient is complete, once the last piece of the share has added to it.
class Announcement final : public torch::autograd::FunctionPostHook {
 public:
  Announcement(GradientSync& sync, std::size_t place, const bool& last_piece)
      : sync_(sync), place_(place), last_piece_(last_piece) {}
  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                            const torch::autograd::variable_list& inputs) override {
    static_cast<void>(inputs);
    if (last_piece_) sync_.ready(place_);
    return outputs;
  }

 private:
  GradientSync& sync_;
  std::size_t place_;
  const bool& last_piece_;
};

}  // namespace

Meter meter_of(const torch::Tensor& loss, const torch::Tensor& logits, const torch::Tensor& labels,
               const torch::Tensor& outline_loss) {
  const torch::NoGradGuard no_gradient;
  std::vector<torch::Tensor> sums = {loss, logits.argmax(1).eq(labels).sum()};
  if (outline_loss.defined()) sums.push_back(outline_loss);
  for (torch::Tensor& sum : sums) sum = sum.to(torch::kFloat64);
  const torch::Tensor values = torch::stack(sums).to(torch::kCPU);
  const auto samples = static_cast<double>(labels.size(0));
  Meter meter{values[0].item<double>(), values[1].item<double>(), samples};
  if (!outline_loss.defined()) return meter;
  meter.outline_loss = values[2].item<double>();
  meter.outlined = samples;
  return meter;
}

Meter sum_over_ranks(const Meter& mine, const Communicator& ranks) {
  std::array<double, 5> sums = {mine.loss, mine.correct, mine.samples, mine.outline_loss, mine.outlined};
  ranks.sum(sums);
  return {sums[0], sums[1], sums[2], sums[3], sums[4]};
}

double Meter::mean_outline_loss() const {
  return outlined > 0.0 ? outline_loss / outlined : std::numeric_limits<double>::quiet_NaN();
}

bool Meter::is_finite() const {
  return std::isfinite(loss) && std::isfinite(outline_loss);
}

Meter& Meter::operator+=(const Meter& other) {
  loss += other.loss;
  correct += other.correct;
  samples += other.samples;
  outline_loss += other.outline_loss;
  outlined += other.outlined;
  return *this;
}

torch::Tensor images_tensor(const Batch& batch, const SampleShape& shape, const Weights& weights) {
  const auto count = static_cast<std::int64_t>(batch.indices.size());
  auto* pixels = const_cast<float*>(batch.pixels.data());  // from_blob takes no const; nobody writes
  std::vector<std::int64_t> sizes = {count, shape.channels, shape.height, shape.width};
  if (shape.depth > 0) sizes.insert(sizes.begin() + 2, shape.depth);
  const torch::Tensor view = torch::from_blob(pixels, sizes);
  return view.to(weights.device(), weights.type());
}

torch::Tensor outlines_tensor(const Batch& batch, const SampleShape& shape, const Weights& weights) {
  if (batch.outlines.empty()) return {};
  auto* shares = const_cast<float*>(batch.outlines.data());  // likewise
  const auto count = static_cast<std::int64_t>(batch.indices.size());
  const torch::Tensor view = torch::from_blob(shares, {count, 1, shape.height, shape.width});
  return view.to(weights.device(), weights.type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32);
}

torch::Tensor labels_tensor(const Batch& batch, const Weights& weights) {
  return torch::tensor(batch.labels, torch::kInt64).to(weights.device());
}

TrainingStep::TrainingStep(const Parts& parts)
    : parts_(parts),
      class_weights_(torch::tensor(parts.class_weights, torch::kFloat64)
                         .to(parts.weights.device(),
                             parts.weights.type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32)) {
  for (const torch::Tensor& parameter : parts_.weights.parameters()) {
    DenseLayer* owner = nullptr;
    for (const auto& layer : parts_.factored) {
      if (layer->weight().is_same(parameter)) owner = layer.get();
    }
    if (owner != nullptr) owner->keep_factors();
    factored_.push_back(owner);
  }
}

void TrainingStep::plan() {
  std::vector<std::size_t> exchanged;
  std::vector<torch::Tensor> parameters;
  for (std::size_t i = 0; i < factored_.size(); ++i) {
    if (!parts_.weights.active()[i] || factored_[i] != nullptr) continue;
    exchanged.push_back(i);
    parameters.push_back(parts_.weights.parameters()[i]);
  }
  const bool changed = exchanged != exchanged_;
  exchanged_ = std::move(exchanged);
  if (parts_.sync.overlaps() && (changed || announced_.empty())) announce_gradients();
  parts_.sync.begin(parameters);
}

// The hooks live as long as the accumulators that they hang on; these are held here.
void TrainingStep::announce_gradients() {
  announced_.clear();
  for (std::size_t place = 0; place < exchanged_.size(); ++place) {
    auto node = torch::autograd::impl::grad_accumulator(parts_.weights.parameters()[exchanged_[place]]);
    node->add_post_hook(std::make_unique<Announcement>(parts_.sync, place, last_piece_));
    announced_.push_back(std::move(node));
  }
}

// Pieces of bf16 gradients are added up in float32: backward adds to what is there, in its type.
void TrainingStep::clear_gradients() {
  const bool widen = parts_.accumulate > 1 && parts_.weights.type() == torch::kBFloat16;
  for (std::size_t i = 0; i < factored_.size(); ++i) {
    torch::Tensor& parameter = parts_.weights.parameters()[i];
    const bool summed = widen && parts_.weights.active()[i] && factored_[i] == nullptr;
    parameter.mutable_grad() = summed ? torch::zeros_like(parameter, torch::kFloat32) : torch::Tensor();
    if (factored_[i] != nullptr) factored_[i]->forget_factors();
  }
}

Meter TrainingStep::backward(const Batch& batch, std::int64_t global_size) {
  clear_gradients();
  plan();
  const auto count = static_cast<std::int64_t>(batch.indices.size());
  if (count == 0) return {};
  const torch::Tensor images = images_tensor(batch, parts_.shape, parts_.weights);
  const torch::Tensor labels = labels_tensor(batch, parts_.weights);
  const torch::Tensor outlines = outlines_tensor(batch, parts_.shape, parts_.weights);
  const auto pieces = static_cast<int>(std::min(parts_.accumulate, count));
  Meter meter;
  for (int i = 0; i < pieces; ++i) {
    const Range range = part_of(count, pieces, i);
    last_piece_ = i + 1 == pieces;
    meter +=
        backward_piece({images.narrow(0, range.begin, range.size()), labels.narrow(0, range.begin, range.size()),
                        outlines.defined() ? outlines.narrow(0, range.begin, range.size()) : torch::Tensor(),
                        SampleSeeds(batch.dropout_seeds)
                            .subspan(static_cast<std::size_t>(range.begin), static_cast<std::size_t>(range.size()))},
                       global_size);
  }
  return meter;
}

Meter TrainingStep::backward_piece(const Piece& piece, std::int64_t global_size) {
  const torch::Tensor& labels = piece.labels;
  const NetworkOutput output = parts_.weights.network().forward_outlined(piece.images, piece.dropout_seeds);
  const torch::Tensor logits = output.logits.to(class_weights_.scalar_type());
  const torch::Tensor log_probabilities = torch::log_softmax(logits, 1);
  const torch::Tensor of_label = log_probabilities.gather(1, labels.unsqueeze(1)).squeeze(1);
  torch::Tensor losses = -of_label * class_weights_.index_select(0, labels);
  // At 0 the power of less than 1 has no derivative: a sample that is all but certain gets its last bit of doubt.
  if (parts_.focal_gamma > 0.0) losses = losses * (1.0 - of_label.exp()).clamp_min(kDoubt).pow(parts_.focal_gamma);
  const torch::Tensor loss = losses.sum();
  torch::Tensor whole = loss, outline_loss;
  if (piece.outlines.defined()) {
    outline_loss = outline_losses(output.outline_logits, piece.outlines).sum();
    whole = whole + parts_.outline_weight * outline_loss;
  }
  (whole / static_cast<double>(global_size)).backward();
  return meter_of(loss, logits, labels, outline_loss);
}

torch::Tensor TrainingStep::product_of(const DenseLayer& layer) const {
  const DenseLayer::Factors& factors = layer.factors();
  if (factors.input.defined()) return parts_.sync.product(factors.output_gradient, factors.input);
  const torch::Tensor& weight = layer.weight();  // this rank had no sample
  const auto none = [&](std::int64_t width) { return torch::empty({0, width}, weight.options().requires_grad(false)); };
  return parts_.sync.product(none(weight.size(0)), none(weight.size(1)));
}

void TrainingStep::exchange() {
  const std::vector<torch::Tensor> sums = parts_.sync.finish();
  gradients_.assign(factored_.size(), {});
  for (std::size_t place = 0; place < sums.size(); ++place) gradients_[exchanged_[place]] = sums[place];
  for (std::size_t i = 0; i < factored_.size(); ++i) {
    if (factored_[i] != nullptr && parts_.weights.active()[i]) gradients_[i] = product_of(*factored_[i]);
  }
}

// The sums are the same on every rank, so all shorten alike.
double TrainingStep::clip(double longest) {
  if (longest <= 0.0) return 0.0;
  const torch::NoGradGuard no_gradient;
  std::vector<torch::Tensor> norms;
  for (const torch::Tensor& gradient : gradients_) {
    if (gradient.defined())
      norms.push_back(
          gradient.norm(2, torch::promote_types(gradient.scalar_type(), torch::kFloat32)).to(torch::kFloat64));
  }
  const double norm = norms.empty() ? 0.0 : torch::stack(norms).norm().item<double>();
  for (torch::Tensor& gradient : gradients_) {
    if (gradient.defined() && norm > longest) gradient.mul_(longest / norm);
  }
  return norm;
}

void TrainingStep::update(double learning_rate) {
  parts_.adam.step(gradients_, learning_rate);
}

std::vector<std::shared_ptr<DenseLayer>> factored_layers(const Network& network, ExchangeChoice choice,
                                                         std::int64_t global_batch, int ranks) {
  std::vector<std::shared_ptr<DenseLayer>> chosen;
  if (ranks < 2 || choice == ExchangeChoice::kOff) return chosen;
  for (const auto& part : network.modules(false)) {
    const auto layer = std::dynamic_pointer_cast<DenseLayer>(part);
    if (!layer) continue;
    const torch::Tensor& weight = layer->weight();
    if (choice == ExchangeChoice::kOn || factors_are_cheaper(weight.size(0), weight.size(1), global_batch)) {
      chosen.push_back(layer);
    }
  }
  return chosen;
}

}  // namespace pulmo::training
