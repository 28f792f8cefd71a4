#pragma once

#include <functional>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/model/feature_rows.h"
#include "training/communicator.h"
#include "training/options.h"
#include "training/prepared_data.h"
#include "training/result.h"

namespace pulmo::training {

/// Trains the rows that are no networks. The handcrafted features of the training part are extracted once, by all
/// ranks, when the first row needs them. Collective throughout.
class ClassicalRows {
 public:
  /// `threads` of one rank; the options, the data and the communicator must outlive this object.
  ClassicalRows(const CompareOptions& options, const PreparedData& data, int threads, const Communicator& communicator);

  /// The names that train() knows: "majority", "svm", "forest".
  static const std::vector<std::string>& names();

  /// Throws InvalidInput("training_data") where too few patients can be validated on.
  TrainedModel train(const std::string& row);

 private:
  const FeatureRows& features();
  TrainedModel train_on_features(const std::string& row,
                                 const std::function<torch::jit::Module(const FeatureRows&)>& fit);
  torch::jit::Module fit_svm(const FeatureRows& rows) const;
  torch::jit::Module fit_forest(const FeatureRows& rows) const;
  int all_threads() const;

  const CompareOptions& options_;
  const PreparedData& data_;
  int threads_;
  const Communicator& communicator_;
  std::optional<FeatureRows> features_;  ///< empty rows on the ranks other than 0
};

}  // namespace pulmo::training
