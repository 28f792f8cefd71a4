#pragma once

#include <string>

#include "pipeline/phantom/ct_file.h"
#include "pipeline/phantom/readings.h"

namespace pulmo::pipeline::phantom {

/// First line of truth.csv.
std::string truth_header();

/// One line for each lesion of the patient: what was drawn, where (DICOM patient coordinates, mm), and how many
/// readers marked it.
std::string truth_lines(const Patient& patient, const ScanUids& uids, const Readings& readings);

}  // namespace pulmo::pipeline::phantom
