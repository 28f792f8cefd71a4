#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "pipeline/input/byte_source.h"
#include "pipeline/lidc/lidc_nodules.h"
#include "pipeline/lidc/lidc_xml.h"
#include "pipeline/lidc/series.h"
#include "pipeline/run/ledger.h"

namespace pulmo::pipeline {

/// Reads all *.xml entries on `threads` threads; series UID -> reading. Several files about one series become one
/// (combine_readings). Totals xml_files, readings; left out: other_file (files), radiograph_reading and
/// further_file_of_a_series and duplicate_reading, the same bytes once more (readings); problems malformed_xml,
/// not_lidc_xml and those of reading bytes. The result does not depend on the number of threads.
std::map<std::string, LidcReading> read_readings(const ByteSource& source, std::size_t threads, Ledger& ledger);

/// SHA-256 over names and bytes of all *.xml entries: another where a reading was changed.
std::string digest_of_readings(const ByteSource& source);

/// A series with what its readers left on it.
struct ReadSeries {
  CtSeries series;
  SeriesMarks marks;
};

/// Brings series and readings together, in the order of the catalogue. Left out: series without a reading and their
/// slices (no_reading), readings without their series (no_series). The result does not
/// depend on the number of threads.
std::vector<ReadSeries> match_readings(std::vector<CtSeries> catalogue, std::map<std::string, LidcReading> readings,
                                       std::size_t threads, Ledger& ledger);

}  // namespace pulmo::pipeline
