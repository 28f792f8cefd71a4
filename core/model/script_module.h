#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <string>

namespace pulmo {

/// An empty module in evaluation mode, as PyTorch makes them: with the attribute `training`, which freezing and
/// Python's eval() look for. Modules of one file share one compilation unit; equal names are told apart.
torch::jit::Module make_script_module(const std::string& name,
                                      const std::shared_ptr<torch::jit::CompilationUnit>& unit);

}  // namespace pulmo
