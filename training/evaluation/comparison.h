#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "training/evaluation/attention_cases.h"
#include "training/evaluation/faithfulness_file.h"
#include "training/evaluation/paired_tests.h"
#include "training/evaluation/run_report.h"
#include "training/evaluation/wrong_cases.h"

namespace pulmo::training {

/// The paper's figures for a row (its table 3), in percent.
struct PaperFigures {
  double accuracy, precision, recall, f1;
};
/// Nothing for a row that the paper does not list.
std::optional<PaperFigures> paper_figures(const std::string& row);
/// "Proposed CNN" for "proposed_cnn"; the name itself for an unknown row.
std::string row_title(const std::string& row);

/// A row against the reference on the same test samples.
struct PairedResult {
  McNemarResult mcnemar;  ///< first = the row, second = the reference
  DeLongResult delong;
  double delong_holm = 1.0;             ///< p of DeLong's test, corrected for all rows of the table at this level
  double mcnemar_holm = 1.0;            ///< likewise of McNemar's
  double auc_difference = 0.0;          ///< row minus reference
  Interval interval{};                  ///< of the difference, by bootstrap over patients
  double specificity_difference = 0.0;  ///< likewise of Metric::kSpecificityAt90: false positives at equal recall
  Interval specificity_interval{};
};

struct ComparedRow {
  RunReport report;
  std::vector<Prediction> test;                                    ///< samples
  std::optional<std::array<PairedResult, kLevels.size()>> paired;  ///< nothing for the reference itself
  std::vector<RunReport> folds = {};                               ///< of a cross-validation; `report` pools them
  std::vector<WrongCase> wrong = {};                               ///< with pictures
  std::vector<AttentionCase> attention = {};                       ///< of a row that weighs slices, with pictures
  std::optional<Faithfulness> faithfulness = {};                   ///< of its explanations, where it was measured

  const SplitReport& test_report() const { return *report.find("test"); }
};

/// The row whose model a comparison hands on.
struct BestRow {
  std::string row;
  double validation_area = 0.0;  ///< ROC-AUC by nodule or series
};

/// The comparison table.
struct Comparison {
  std::string title = "Comparison of models";
  std::string reference;  ///< row name
  std::string command_line;
  std::string data_digest;
  std::string trained_on;  ///< digest of the data that the rows were trained on, where it is another
  std::string task;
  bool phantom = false;
  ClassList classes;
  BootstrapOptions bootstrap;
  std::vector<ComparedRow> rows;
  std::optional<BestRow> best = {};  ///< of the rows trained for it, where one is defined (best_row.h)
};

/// Corrected p-values below this are marked.
inline constexpr double kSignificance = 0.05;

/// Fills ComparedRow::paired from the predictions. Throws InvalidInput("comparison") when two rows were not scored on
/// the same samples in the same order.
void add_paired_tests(Comparison& comparison);

/// Markdown, CSV (a line for each row and level), JSON, and one self-contained HTML page.
std::string comparison_markdown(const Comparison& comparison);
std::string comparison_csv(const Comparison& comparison);
std::string comparison_json(const Comparison& comparison);
std::string comparison_html(const Comparison& comparison);

/// What a reader must know beside the numbers; one sentence each.
std::vector<std::string> comparison_notes(const Comparison& comparison);

/// The table of one level: header first, all rows of equal length.
std::vector<std::vector<std::string>> comparison_cells(const Comparison& comparison, Level level);
/// Mean and standard deviation over the folds, a line for each row; header first. Only for a cross-validation.
std::vector<std::vector<std::string>> fold_cells(const Comparison& comparison, Level level);
/// How many folds were pooled; 0: the split as prepared.
std::size_t fold_count(const Comparison& comparison);
/// "Nodule or series (group)".
std::string level_title(Level level);

}  // namespace pulmo::training
