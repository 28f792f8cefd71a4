#pragma once

#include <cstdint>
#include <vector>

namespace torch::jit {
struct Module;
}

namespace pulmo {

/// The row that every other must beat: a module that ignores its images (N,...) and returns the logarithm of the class
/// frequencies as logits (N,K). A class without a sample gets the frequency 1e-12. `class_counts` are those of the
/// training part. Throws InvalidInput("training_data") without a class or a sample, or for a negative count.
torch::jit::Module majority_to_torchscript(const std::vector<std::int64_t>& class_counts);

}  // namespace pulmo
