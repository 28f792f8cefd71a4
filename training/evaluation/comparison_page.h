#pragma once

#include <string>

#include "training/evaluation/comparison.h"

namespace pulmo::training {

/// The sections of comparison.html, each an HTML fragment.
std::string page_style();
/// The reference row at group level in large figures, and the areas of all rows with their intervals.
std::string summary_section(const Comparison& comparison);
/// Tables, curves and confusion matrices of the three levels, one shown at a time (all of them in print).
std::string levels_section(const Comparison& comparison);
/// Ours and the paper's figures side by side; empty when the paper names no row of the table.
std::string paper_section(const Comparison& comparison);
/// What each row cost to train.
std::string cost_section(const Comparison& comparison);
/// The most wrong cases as pictures; empty when none was drawn.
std::string wrong_section(const Comparison& comparison);
/// Weights of the slices of some test groups, beside their pictures; empty when no row has any.
std::string attention_section(const Comparison& comparison);
/// Deletion, insertion and the share inside the readers' outlines of each row where they were measured; empty when
/// none was.
std::string faithfulness_section(const Comparison& comparison);
/// How to read it, and what it was made from.
std::string notes_section(const Comparison& comparison);

/// A table of escaped cells, its first line the header; " [..." of a cell stands small below the rest. `emphasised`
/// (from 0, the header not counted) is the row that stands out; -1: none.
std::string html_table(const std::vector<std::vector<std::string>>& cells, int emphasised);
/// Index of the reference row; -1 when it is not there.
int reference_index(const Comparison& comparison);

}  // namespace pulmo::training
