#include "pipeline/lidc/catalogue.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "core/support/error.h"
#include "pipeline/run/ordered_map.h"
#include "pipeline/run/progress.h"
#include "pipeline/run/stop_signal.h"

namespace pulmo::pipeline {
namespace {

constexpr std::uint64_t kHeaderBytes = 64 * 1024;  // more than a CT header takes; else the whole file is read

/// What one entry turned out to be: a CT slice, or the reason why not.
struct Scanned {
  std::unique_ptr<DicomHeader> header;
  std::string left_out;
  std::string problem;
  std::string message;
};

bool has_dicom_name(std::string_view name) {
  return name.size() > 4 && (name.substr(name.size() - 4) == ".dcm" || name.substr(name.size() - 4) == ".DCM");
}

DicomHeader header_of(ByteReader& reader, const SourceEntry& entry, ByteView prefix) {
  if (prefix.size() < entry.size_bytes) {
    try {
      DicomHeader header = read_dicom_header(prefix, entry.name);
      if (header.rows > 0 || header.modality != "CT") return header;
    } catch (const InvalidInput&) {  // the header may go on beyond the prefix
    }
    return read_dicom_header(reader.read(entry), entry.name);
  }
  return read_dicom_header(prefix, entry.name);
}

Scanned scan(ByteReader& reader, const SourceEntry& entry) {
  try {
    const Bytes prefix = reader.read(entry, kHeaderBytes);
    if (!looks_like_dicom(prefix)) {
      if (!has_dicom_name(entry.name)) return {nullptr, "other_file", "", ""};
      return {nullptr, "", "not_dicom", entry.name + " is named like a DICOM file but is none"};
    }
    auto header = std::make_unique<DicomHeader>(header_of(reader, entry, prefix));
    if (const auto reason = skip_reason(*header)) return {nullptr, *reason, "", ""};
    return {std::move(header), "", "", ""};
  } catch (const InvalidInput& error) {
    return {nullptr, "", error.reason(), error.what()};
  } catch (const IoError& error) {
    return {nullptr, "", "unreadable", error.what()};
  }
}

using SeriesRecords = std::map<std::string, std::vector<SliceRecord>>;

SeriesRecords scan_all(const ByteSource& source, std::size_t threads, Ledger& ledger) {
  const auto& entries = source.entries();
  Progress progress("scan", "files", static_cast<std::int64_t>(entries.size()));
  SeriesRecords records;
  const auto make_worker = [&] {
    return [&, reader = std::make_shared<ByteReader>(source)](std::size_t i) { return scan(*reader, entries[i]); };
  };
  ordered_for_each<Scanned>(entries.size(), threads, make_worker, [&](std::size_t i, Scanned scanned) {
    throw_if_stopped("nothing was written yet");
    progress.advance();
    if (!scanned.problem.empty()) ledger.problem(scanned.problem, scanned.message);
    if (!scanned.left_out.empty()) ledger.left_out(Scope::kFiles, scanned.left_out);
    if (!scanned.header) return;
    ledger.total("dicom_slices", 1);
    auto& series = records[scanned.header->series_uid];
    series.push_back({static_cast<std::uint32_t>(i), std::move(*scanned.header)});
  });
  return records;
}

}  // namespace

std::vector<CtSeries> read_catalogue(const ByteSource& source, std::size_t threads, Ledger& ledger) {
  ledger.total("files", static_cast<std::int64_t>(source.entries().size()));
  for (const Refusal& refusal : source.refused()) ledger.problem(refusal.reason, refusal.message);
  std::vector<CtSeries> catalogue;
  for (auto& [uid, records] : scan_all(source, threads, ledger)) {
    const std::string where = source.entries()[records.front().entry].name;
    auto series = assemble_series(std::move(records), where, ledger);
    if (!series) continue;
    ledger.total("series", 1);
    ledger.total("slices", static_cast<std::int64_t>(series->slices.size()));
    catalogue.push_back(std::move(*series));
  }
  std::sort(catalogue.begin(), catalogue.end(), [](const CtSeries& a, const CtSeries& b) {
    return std::tie(a.patient, a.series_uid) < std::tie(b.patient, b.series_uid);
  });
  return catalogue;
}

}  // namespace pulmo::pipeline
