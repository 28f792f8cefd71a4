#include "core/model/script_module.h"

namespace pulmo {

torch::jit::Module make_script_module(const std::string& name,
                                      const std::shared_ptr<torch::jit::CompilationUnit>& unit) {
  torch::jit::Module module(c10::QualifiedName("__torch__.pulmo." + name), unit, true);
  module.register_attribute("training", c10::BoolType::get(), false);
  return module;
}

}  // namespace pulmo
