#include "training/evaluation/comparison.h"

#include <cmath>
#include <cstdio>
#include <map>

#include "core/support/error.h"
#include "core/support/version.h"
#include "training/evaluation/fold_pool.h"
#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

struct KnownRow {
  const char* row;
  const char* title;
  std::optional<PaperFigures> paper;
};

// Table 3 of "Diagnosis of lung cancer based on CT scans using deep learning and web application"; which network its
// "transfer learning model" began with it does not say.
const KnownRow kKnownRows[] = {{"majority", "Majority class", std::nullopt},
                               {"svm", "SVM-based CAD", PaperFigures{85.2, 83.4, 82.1, 82.7}},
                               {"forest", "Random forest", std::nullopt},
                               {"conventional_cnn", "Conventional CNN", PaperFigures{91.3, 89.8, 88.6, 89.2}},
                               {"squeezenet", "Transfer, SqueezeNet 1.1", PaperFigures{92.5, 90.7, 89.4, 90.0}},
                               {"cnn3d", "3D CNN", std::nullopt},
                               {"slice_attention", "Attention over slices, SqueezeNet 1.1", std::nullopt},
                               {"ensemble", "Ensemble of the best networks", std::nullopt},
                               {"resnet3d", "Transfer, ResNet3D-18", std::nullopt},
                               {"resnet18", "Transfer, ResNet-18", PaperFigures{92.5, 90.7, 89.4, 90.0}},
                               {"densenet121", "Transfer, DenseNet-121", PaperFigures{92.5, 90.7, 89.4, 90.0}},
                               {"unet_densenet", "U-Net and DenseNet-121", std::nullopt},
                               {"attention_cnn", "CNN with attention (CBAM)", std::nullopt},
                               {"proposed_cnn", "Proposed CNN", PaperFigures{94.7, 92.1, 90.5, 91.3}}};

// Rows at one level, prepared for the paired tests.
struct Scores {
  std::vector<double> values;
  std::vector<bool> positive;
  std::vector<bool> right;
  std::vector<std::string> patients;
};

Scores scores_of(const std::vector<Prediction>& rows, const RunFacts& facts) {
  const std::vector<double> thresholds = thresholds_of(facts);
  Scores scores;
  for (const Prediction& row : rows) {
    scores.values.push_back(row.probabilities[static_cast<std::size_t>(facts.classes.positive)]);
    scores.positive.push_back(row.label == facts.classes.positive);
    scores.right.push_back(decide(row.probabilities, facts.classes.positive, thresholds[row.fold]) == row.label);
    scores.patients.push_back(row.patient);
  }
  return scores;
}

void check_same(const std::vector<Prediction>& first, const std::vector<Prediction>& second) {
  bool same = first.size() == second.size();
  for (std::size_t i = 0; same && i < first.size(); ++i) {
    same = first[i].patient == second[i].patient && first[i].group == second[i].group &&
           first[i].instance == second[i].instance && first[i].label == second[i].label;
  }
  if (!same) throw InvalidInput("comparison", "two rows were not scored on the same test samples: use --fresh");
}

PairedResult compare_pair(const ComparedRow& row, const ComparedRow& reference, Level level, const Comparison& all) {
  const int positive = all.classes.positive;
  const std::vector<Prediction> first = aggregate(row.test, level, positive, row.report.facts.slice_weights);
  const std::vector<Prediction> second =
      aggregate(reference.test, level, positive, reference.report.facts.slice_weights);
  const Scores a = scores_of(first, row.report.facts);
  const Scores b = scores_of(second, reference.report.facts);
  const ScoredSet first_set(first, all.classes, thresholds_of(row.report.facts));
  const ScoredSet second_set(second, all.classes, thresholds_of(reference.report.facts));
  PairedResult result;
  result.mcnemar = mcnemar(a.right, b.right);
  result.delong = delong(a.values, b.values, a.positive);
  result.auc_difference = first_set.roc_auc() - second_set.roc_auc();
  result.specificity_difference = first_set.specificity_at_equal_recall() - second_set.specificity_at_equal_recall();
  const auto intervals = cluster_bootstrap(a.patients, all.bootstrap, [&](std::span<const double> weights) {
    return std::vector<double>{
        first_set.roc_auc(weights) - second_set.roc_auc(weights),
        first_set.specificity_at_equal_recall(weights) - second_set.specificity_at_equal_recall(weights)};
  });
  result.interval = intervals.empty() ? Interval{NAN, NAN} : intervals[0];
  result.specificity_interval = intervals.empty() ? Interval{NAN, NAN} : intervals[1];
  return result;
}

// One family of tests: the rows of the table, at one level, by one test.
void correct(Comparison& comparison, Level level, double (*read)(const PairedResult&), double PairedResult::*target) {
  std::vector<double> p_values;
  std::vector<PairedResult*> results;
  for (ComparedRow& row : comparison.rows) {
    if (!row.paired) continue;
    results.push_back(&(*row.paired)[static_cast<std::size_t>(level)]);
    p_values.push_back(read(*results.back()));
  }
  const std::vector<double> corrected = holm(p_values);
  for (std::size_t i = 0; i < results.size(); ++i) results[i]->*target = corrected[i];
}

std::string paper_cell(const std::string& row) {
  const auto paper = paper_figures(row);
  if (!paper) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.1f / %.1f / %.1f / %.1f", paper->accuracy, paper->precision, paper->recall,
                paper->f1);
  return text;
}

std::string corrected_p(double corrected, double raw) {
  if (std::isnan(raw)) return p_value(raw);
  return p_value(corrected) + (corrected < kSignificance ? " *" : "") + " [" + p_value(raw) + "]";
}

void append_paired(std::vector<std::string>& cells, const ComparedRow& row, Level level) {
  if (!row.paired) {
    cells.insert(cells.end(), {"reference", "", "", ""});
    return;
  }
  const PairedResult& paired = (*row.paired)[static_cast<std::size_t>(level)];
  cells.push_back(with_interval(paired.auc_difference, paired.interval));
  cells.push_back(with_interval(paired.specificity_difference, paired.specificity_interval));
  cells.push_back(corrected_p(paired.delong_holm, paired.delong.p_value));
  cells.push_back(corrected_p(paired.mcnemar_holm, paired.mcnemar.p_value));
}

/// What networks computed with, where it is not the same for all of them; empty where it is.
std::string mixed_note(const Comparison& comparison, const std::string& what, std::string RunFacts::*fact) {
  std::map<std::string, std::string> rows;  // of each value
  for (const ComparedRow& row : comparison.rows) {
    const std::string& value = row.report.facts.*fact;
    if (value.empty()) continue;  // no network, or from before it was told
    std::string& titles = rows[value];
    titles += (titles.empty() ? "" : ", ") + row_title(row.report.facts.row);
  }
  if (rows.size() < 2) return "";
  std::string text = "The rows differ in " + what + ":";
  for (const auto& [value, titles] : rows) text += (text.back() == ':' ? " " : "; ") + value + " (" + titles + ")";
  return text + ".";
}

std::string score_note(const Comparison& comparison) {
  const bool equal =
      comparison.rows.empty() || comparison.rows.front().report.facts.slice_weights == SliceWeights::kEqual;
  if (equal) return "A group or patient is scored by the mean probability of its slices and is positive when any is.";
  return "A nodule is scored by the mean log probability of its slices, each weighted like its section of a sphere, a "
         "patient by their mean probability; either is positive when any slice is.";
}

std::string best_note(const Comparison& comparison) {
  char area[16];
  std::snprintf(area, sizeof area, "%.3f", comparison.best->validation_area);
  return "bundle.pt is the model of the row " + row_title(comparison.best->row) +
         ", whose ROC-AUC by nodule or series was the largest on validation (" + area +
         (fold_count(comparison) > 0 ? ", mean of the folds; of the median fold)." : ").");
}

}  // namespace

std::optional<PaperFigures> paper_figures(const std::string& row) {
  for (const KnownRow& known : kKnownRows) {
    if (row == known.row) return known.paper;
  }
  return std::nullopt;
}

std::string row_title(const std::string& row) {
  for (const KnownRow& known : kKnownRows) {
    if (row == known.row) return known.title;
  }
  return row;
}

std::string level_title(Level level) {
  switch (level) {
    case Level::kSample: return "Slices (sample level)";
    case Level::kGroup: return "Nodules or series (group level)";
    case Level::kPatient: return "Patients (patient level)";
  }
  return "?";
}

void add_paired_tests(Comparison& comparison) {
  const ComparedRow* reference = nullptr;
  for (const ComparedRow& row : comparison.rows) {
    if (row.report.facts.row == comparison.reference) reference = &row;
  }
  if (reference == nullptr) return;
  for (ComparedRow& row : comparison.rows) {
    if (&row == reference) continue;
    check_same(row.test, reference->test);
    row.paired.emplace();
    for (const Level level : kLevels) {
      (*row.paired)[static_cast<std::size_t>(level)] = compare_pair(row, *reference, level, comparison);
    }
  }
  for (const Level level : kLevels) {
    correct(
        comparison, level, [](const PairedResult& one) { return one.delong.p_value; }, &PairedResult::delong_holm);
    correct(
        comparison, level, [](const PairedResult& one) { return one.mcnemar.p_value; }, &PairedResult::mcnemar_holm);
  }
}

std::vector<std::string> comparison_notes(const Comparison& comparison) {
  std::vector<std::string> notes;
  if (comparison.phantom) {
    notes.emplace_back("PHANTOM: every figure here is from the synthetic phantom and says nothing about patients.");
  }
  if (const std::size_t folds = fold_count(comparison); folds > 0) {
    notes.push_back(std::to_string(folds) +
                    " patient folds: each patient is tested once, by a model that has not seen them; the figures pool "
                    "all folds, each sample decided at the threshold of its own fold.");
  }
  if (!comparison.trained_on.empty()) {
    notes.push_back("The rows were trained on other prepared data (digest " + comparison.trained_on +
                    "); these are the samples of its test patients here.");
  }
  notes.push_back("Test part only; brackets are 95 % intervals by bootstrap over patients (" +
                  std::to_string(comparison.bootstrap.resamples) + " resamples).");
  for (const std::string& note : {mixed_note(comparison, "precision", &RunFacts::precision),
                                  mixed_note(comparison, "device", &RunFacts::device)}) {
    if (!note.empty()) notes.push_back(note);
  }
  notes.push_back("The operating threshold and the temperature of each row were chosen on the validation part.");
  if (comparison.best) notes.push_back(best_note(comparison));
  notes.push_back(score_note(comparison));
  notes.push_back(
      "AUC difference, specificity difference (at recall 0.9), DeLong and McNemar compare a row with " +
      row_title(comparison.reference) +
      ". DeLong and McNemar take rows as independent: slices of one patient are not, so at slice level their "
      "p-values are too small; judge by the group and patient levels and by the interval of the difference.");
  notes.emplace_back(
      "p-values are corrected by Holm's method for the rows tested at that level; * marks those below 0.05, brackets "
      "hold the uncorrected ones.");
  notes.push_back(
      "Paper: accuracy / precision / recall / F1 in percent as published, on a split that was not ours; "
      "slices of one patient may stand on both sides of it.");
  notes.emplace_back(kNotice);
  return notes;
}

std::vector<std::vector<std::string>> comparison_cells(const Comparison& comparison, Level level) {
  std::vector<std::vector<std::string>> cells = {{"row", "n", "accuracy", "precision", "recall", "specificity", "F1",
                                                  "ROC-AUC", "PR-AUC", "Brier", "ECE", "specificity at recall 0.9",
                                                  "AUC difference", "specificity difference", "DeLong p (Holm) [raw]",
                                                  "McNemar p (Holm) [raw]"}};
  if (level == Level::kSample) cells.front().emplace_back("paper");
  for (const ComparedRow& row : comparison.rows) {
    const LevelReport& at = row.test_report().at(level);
    std::vector<std::string>& line = cells.emplace_back();
    line = {row_title(row.report.facts.row), std::to_string(at.n)};
    for (std::size_t i = 0; i < kMetricCount; ++i) {
      line.push_back(with_interval(at.metrics.values[i], at.intervals[i]));
    }
    append_paired(line, row, level);
    if (level == Level::kSample) line.push_back(paper_cell(row.report.facts.row));
  }
  return cells;
}

std::size_t fold_count(const Comparison& comparison) {
  return comparison.rows.empty() ? 0 : comparison.rows.front().folds.size();
}

std::vector<std::vector<std::string>> fold_cells(const Comparison& comparison, Level level) {
  std::vector<std::vector<std::string>> cells(1);
  cells.front() = {"row"};
  const auto names = comparison_cells(comparison, level).front();
  cells.front().insert(cells.front().end(), names.begin() + 2, names.begin() + 2 + kMetricCount);
  for (const ComparedRow& row : comparison.rows) {
    std::vector<std::string>& line = cells.emplace_back();
    line.push_back(row_title(row.report.facts.row));
    for (std::size_t i = 0; i < kMetricCount; ++i) {
      const Spread spread = fold_spread(row.folds, level, static_cast<Metric>(i));
      line.push_back(figure(spread.mean) + (std::isnan(spread.deviation) ? "" : " ± " + figure(spread.deviation)));
    }
  }
  return cells;
}

}  // namespace pulmo::training
