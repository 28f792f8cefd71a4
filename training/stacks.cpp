#include "training/stacks.h"

#include "core/model/network.h"
#include "core/support/digest.h"

namespace pulmo::training {
namespace {

bool needs_stacks(const FitOptions& options, const PreparedData& data) {
  return data.manifest.shape.depth == 0 && takes_volumes(options.model.name);
}

}  // namespace

std::optional<PreparedData> stacked_for(const FitOptions& options, const PreparedData& data) {
  if (!needs_stacks(options, data)) return std::nullopt;
  PreparedData stacks = data;
  stacks.manifest.shape.depth = options.model.stack_slices;
  stacks.train = data.train.stacked(options.model.stack_slices);
  stacks.validation = data.validation.stacked(options.model.stack_slices);
  data.test.stacked(options.model.stack_slices);  // refuses now what could not be tested hours later
  return stacks;
}

std::string identity_for(const FitOptions& options, const PreparedData& data) {
  if (learns_outlines(options.model.name)) {
    return sha256_hex(data.identity() + " outlines of weight " + std::to_string(options.model.outline_weight));
  }
  if (!needs_stacks(options, data)) return data.identity();
  return sha256_hex(data.identity() + " stacks of " + std::to_string(options.model.stack_slices));
}

}  // namespace pulmo::training
