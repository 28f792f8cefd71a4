#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/store/manifest.h"
#include "training/communicator.h"
#include "training/evaluation/bootstrap.h"
#include "training/evaluation/faithfulness_file.h"
#include "training/prepared_data.h"

namespace pulmo::training {

/// Names of what can be measured: "grad_cam", "integrated_gradients", "occlusion".
const std::vector<std::string>& explanation_methods();

struct FaithfulnessJob {
  std::filesystem::path bundle;
  Split split = Split::kTest;
  std::int64_t samples = 200;        ///< of slices or volumes; spread evenly over the split; all of a smaller one
  std::vector<std::string> methods;  ///< empty: the two by gradients, or occlusion of a row without them
  std::filesystem::path output;      ///< a JSON file; empty: none
  BootstrapOptions bootstrap;        ///< its seed draws the random orders too
};

/// Measures whether a bundle's explanations say what the model does (evaluation/faithfulness.h): deletion, insertion
/// and the share inside the readers' outlines, beside pixels in random order and by their distance from the centre. Of
/// the class that the bundle decides for, on the parts of as_dealt_to(). The samples of a bundle of volumes are the
/// volumes, on slices the stacks of their groups (Dataset::stacked()): each is explained as a whole, and its slices'
/// pixels are ordered together; the slices of 0 around a stack stay as they are. On this rank alone, with so many
/// threads; 0: as many as LibTorch has. Throws as check_fits() and Dataset::stacked(), and InvalidInput("bundle") where
/// the row has no gradients for an asked method.
Faithfulness measure_faithfulness(const FaithfulnessJob& job, const PreparedData& data, int threads);

/// The same on rank 0, which does the work; collective. Returns the Markdown there.
std::string faithfulness(const FaithfulnessJob& job, const PreparedData& data, const Communicator& communicator);

}  // namespace pulmo::training
