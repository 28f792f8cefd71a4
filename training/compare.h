#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "training/fit.h"

namespace pulmo::training {

/// Another prepared folder, on whose samples of the same test patients the rows are judged too: other labels of the
/// same nodules, for one.
struct AlsoData {
  std::string name;  ///< of the sub-folder also-NAME
  PreparedData data;
};

struct CompareJob {
  CompareOptions options;
  std::filesystem::path folder;
  bool fresh = false;
  ProgressStyle progress = ProgressStyle::kAuto;
  std::function<bool()> interrupted;  ///< collective
  std::string command_line;           ///< named in the table
  Watch* watch = nullptr;             ///< rank 0; may be null
  std::optional<std::int64_t> fold;   ///< from 1: only the rows of this fold, no table
};

/// Trains and judges every row on the same split, each in its own sub-folder, and writes comparison.{md,csv,json,html}
/// and, as bundle.pt, the model of the row that is best on validation (best_row.h).
/// With `options.folds` every row on each fold in folds/I/ROW/, and the pooled predictions of all folds in ROW/, with
/// the bundle of the fold of the median validation area. Each of `also` gets its own table in also-NAME/. A row whose
/// finished result is already there is taken over; an interrupted one goes on. Returns the Markdown on rank 0.
/// With `fold` set only the rows of that fold are made, so that folds can run side by side as jobs of their own; the
/// same call without it then takes them over and pools them.
/// Collective. Throws InvalidInput("configuration") for an unknown row or fold, InvalidInput("training_data") where a
/// part has too little, InvalidInput("faithfulness") for a damaged faithfulness.json of a row, and as fit().
std::string compare(const CompareJob& job, const PreparedData& data, const std::vector<AlsoData>& also,
                    const Communicator& communicator);

}  // namespace pulmo::training
