#pragma once

#include <memory>

#include "core/model/bundle.h"

namespace pulmo {

/// The network that a bundle's module is the script of, frozen, with the module's own weights, on the processor. Null
/// where the module's code or tensors are not to the letter what to_torchscript() makes of the network of its row.
std::shared_ptr<Network> native_network(const Bundle& bundle);

}  // namespace pulmo
