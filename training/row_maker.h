#pragma once

#include <filesystem>
#include <string>

#include "training/classical_rows.h"
#include "training/compare.h"

namespace pulmo::training {

/// Trains and judges the rows of the comparison table on one split, each in its own sub-folder. Collective throughout.
class RowMaker {
 public:
  /// Everything must outlive this object.
  RowMaker(const CompareJob& job, const PreparedData& data, std::filesystem::path folder, FeatureStore& features,
           const Communicator& communicator);

  /// Throws InvalidInput("configuration") when the options name a row that nobody knows, name one twice, the reference
  /// is not among them, an ensemble stands before two network rows, or a row lacks its weight file. Throws
  /// IoError when that file is not there.
  static void check(const CompareOptions& options);

  /// Throws as a later row would hours from now: where it cannot learn from the data, or has no weights to start from.
  static void check_on(const CompareOptions& options, const PreparedData& data);

  /// Takes a finished row over, goes on with an interrupted one. Throws Interrupted, and as fit().
  RowResult make(const std::string& row);

 private:
  FitJob network_job(const std::string& row) const;
  std::string identity_of(const std::string& row) const;
  RowResult make_classical(const std::string& row, const std::string& identity);
  RowResult make_ensemble_row(const std::string& identity);

  const CompareJob& job_;
  const PreparedData& data_;
  std::filesystem::path folder_;
  const Communicator& communicator_;
  FeatureStore& features_;
  ClassicalRows classical_;
};

}  // namespace pulmo::training
