#pragma once

#include <string>

#include "pipeline/phantom/ct_file.h"
#include "pipeline/phantom/readings.h"

namespace pulmo::pipeline::phantom {

/// One LIDC annotation file (root LidcReadMessage, namespace http://www.nih.gov) with four reading sessions, in the
/// manner of LIDC-IDRI: SeriesInstanceUid spelled so, each reader's own way of naming nodules and writing heights.
std::string lidc_xml(const Patient& patient, const ScanUids& uids, const Readings& readings);

}  // namespace pulmo::pipeline::phantom
