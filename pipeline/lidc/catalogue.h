#pragma once

#include <cstddef>
#include <vector>

#include "pipeline/input/byte_source.h"
#include "pipeline/lidc/series.h"
#include "pipeline/run/ledger.h"

namespace pulmo::pipeline {

/// Reads the header of every entry, on `threads` threads, and assembles the CT series, sorted by patient and series
/// UID. The frames of an Enhanced CT (or another CT object of several frames) are slices, each with its own place.
/// Counted in the ledger: totals files, dicom_files, series, slices; problems not_dicom (a file named *.dcm that is
/// none), truncated_dicom, corrupt_zip, zip_bomb, unreadable and those of assemble_series; left out other_file,
/// multi_frame_without_positions and the reasons of skip_reason. The result does not depend on the number of threads.
std::vector<CtSeries> read_catalogue(const ByteSource& source, std::size_t threads, Ledger& ledger);

}  // namespace pulmo::pipeline
