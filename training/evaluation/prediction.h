#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pulmo::training {

/// One scored sample, or what several samples of a group or a patient amount to.
struct Prediction {
  std::string patient;
  std::string group;                  ///< nodule or series
  std::string instance;               ///< empty above sample level
  int label = 0;                      ///< index into the class names
  std::vector<double> probabilities;  ///< K, summing to 1
  std::size_t fold = 0;               ///< of a cross-validation, from 0: whose model scored it
};

/// The class names of a set of predictions and which of them counts as positive.
struct ClassList {
  std::vector<std::string> names;  ///< K
  int positive = 1;                ///< index of the positive class

  int size() const { return static_cast<int>(names.size()); }
};

/// What one result is counted by.
enum class Level { kSample, kGroup, kPatient };
/// "sample", "group", "patient".
std::string_view to_string(Level level);

/// How much each slice of a nodule counts in the nodule's probability.
enum class SliceWeights {
  kEqual,   ///< the mean of the slices' probabilities
  kSphere,  ///< slice i of n, from 0, like its section of a sphere, 1 - ((2i + 1) / n - 1)^2, in the mean of log p
};
/// "equal", "sphere".
std::string_view to_string(SliceWeights weights);

/// Brings samples to a level. A group (patient) has the mean of its samples' probabilities, a group by `weights` of its
/// samples in their order here; it counts as positive when any of its samples does, else it has its most frequent label
/// (the lowest index on a tie). Groups of two patients are distinct even where their names agree. Order: first
/// appearance.
std::vector<Prediction> aggregate(const std::vector<Prediction>& samples, Level level, int positive,
                                  SliceWeights weights = SliceWeights::kEqual);

}  // namespace pulmo::training
