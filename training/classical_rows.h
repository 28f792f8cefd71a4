#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/model/feature_rows.h"
#include "training/communicator.h"
#include "training/feature_store.h"
#include "training/options.h"
#include "training/prepared_data.h"
#include "training/result.h"

namespace pulmo::training {

/// Trains the rows that are no networks, on rank 0. Collective throughout.
class ClassicalRows {
 public:
  /// `threads` of one rank; all else must outlive this object.
  ClassicalRows(const CompareOptions& options, const PreparedData& data, int threads, FeatureStore& store,
                const Communicator& communicator);

  /// The names that train() knows: "majority", "svm", "forest".
  static const std::vector<std::string>& names();

  /// Throws InvalidInput("training_data") where the samples have no features: volumes.
  static void check(const PreparedData& data);

  /// Throws InvalidInput("training_data") where too few patients can be validated on.
  TrainedModel train(const std::string& row);

 private:
  FeatureRows features();
  TrainedModel train_on_features(const std::string& row,
                                 const std::function<torch::jit::Module(const FeatureRows&)>& fit);
  torch::jit::Module fit_svm(const FeatureRows& rows) const;
  torch::jit::Module fit_forest(const FeatureRows& rows) const;
  int all_threads() const;

  const CompareOptions& options_;
  const PreparedData& data_;
  int threads_;
  FeatureStore& store_;
  const Communicator& communicator_;
};

}  // namespace pulmo::training
