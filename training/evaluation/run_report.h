#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "training/evaluation/bootstrap.h"
#include "training/evaluation/metrics.h"
#include "training/evaluation/predictions_file.h"

namespace pulmo::training {

inline constexpr std::array<Level, 3> kLevels = {Level::kSample, Level::kGroup, Level::kPatient};

/// One fold of a cross-validation: how its model was chosen.
struct FoldFacts {
  double threshold = 0.5;
  double temperature = 1.0;
  double validation_roc_auc = 0.0;  ///< sample level
  std::int64_t best_epoch = 0;
  std::int64_t epochs = 0;
  double seconds = 0.0;
};

/// What the figures of a run were made from and how.
struct RunFacts {
  std::string row;   ///< "proposed_cnn"
  std::string task;  ///< "slice", "nodule"
  ClassList classes;
  double threshold = 0.5;
  double temperature = 1.0;
  bool phantom = false;
  std::string data_digest;
  std::string fold;              ///< PreparedData::fold
  std::vector<FoldFacts> folds;  ///< of pooled folds; threshold and temperature then have no meaning
  std::string identity;          ///< digest of everything that decides the result; empty for a bundle of elsewhere
  std::string bundle_sha256;     ///< of an evaluated bundle; empty in the run that makes it
  std::int64_t best_epoch = 0;   ///< counted from 1; 0 where there are none
  std::int64_t epochs = 0;       ///< trained
  double seconds = 0.0;          ///< of training
  int ranks = 1;
  std::string precision{}, device{};  ///< of a network's training: "bf16", "cpu"; of pooled folds all, "bf16, fp32"
  SliceWeights slice_weights = SliceWeights::kEqual;  ///< of a nodule's probability
  BootstrapOptions bootstrap;
};

struct LevelReport {
  std::size_t n = 0;
  Metrics metrics;
  std::array<Interval, kMetricCount> intervals{};
};

struct SplitReport {
  std::string split;
  std::array<LevelReport, kLevels.size()> levels;  ///< indexed by Level

  const LevelReport& at(Level level) const { return levels[static_cast<std::size_t>(level)]; }
};

struct RunReport {
  RunFacts facts;
  std::vector<SplitReport> splits;

  /// Null when that split was not evaluated.
  const SplitReport* find(const std::string& split) const;
};

/// Operating thresholds, indexed by Prediction::fold.
std::vector<double> thresholds_of(const RunFacts& facts);

/// Every metric of every split at every level, with bootstrap intervals over patients.
RunReport make_report(const RunFacts& facts, const std::vector<SplitPredictions>& splits);

/// metrics.json (docs/train.md). An undefined value is null.
std::string to_json(const RunReport& report);

/// A Markdown table of one split: a line for each level.
std::string to_markdown(const SplitReport& report);

}  // namespace pulmo::training
