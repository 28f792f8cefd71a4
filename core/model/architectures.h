#pragma once

#include <memory>

#include "core/model/network.h"

namespace pulmo {

/// The factories that network.cpp lists by name. Options are checked by make_network() but for the input size, which
/// each factory checks: it throws InvalidInput("configuration") when nothing is left after its pooling.
std::shared_ptr<Network> make_proposed_cnn(const NetworkOptions& options);
std::shared_ptr<Network> make_attention_cnn(const NetworkOptions& options);
std::shared_ptr<Network> make_conventional_cnn(const NetworkOptions& options);
std::shared_ptr<Network> make_squeezenet(const NetworkOptions& options);
std::shared_ptr<Network> make_resnet18(const NetworkOptions& options);
std::shared_ptr<Network> make_densenet121(const NetworkOptions& options);
std::shared_ptr<Network> make_unet_densenet(const NetworkOptions& options);
std::shared_ptr<Network> make_cnn3d(const NetworkOptions& options);
std::shared_ptr<Network> make_slice_attention(const NetworkOptions& options);
std::shared_ptr<Network> make_resnet3d(const NetworkOptions& options);

/// Throws InvalidInput("configuration") unless options.size_px is at least `minimum`.
void require_size(const NetworkOptions& options, std::int64_t minimum);

}  // namespace pulmo
