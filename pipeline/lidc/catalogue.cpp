#include "pipeline/lidc/catalogue.h"

#include <algorithm>
#include <array>
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

/// How much of a file is read for its header, one after the other until it suffices; else the whole file is read. A CT
/// slice's header takes less than the first, the functional groups of a thousand frames less than the last.
constexpr std::array<std::uint64_t, 3> kHeaderBytes = {16 * 1024, 64 * 1024, 4 * 1024 * 1024};

/// What one entry turned out to be: CT slices (several when it has frames), or the reason why not.
struct Scanned {
  std::vector<DicomHeader> headers;
  std::string left_out;
  std::string problem;
  std::string message;
};

bool has_dicom_name(std::string_view name) {
  return name.size() > 4 && (name.substr(name.size() - 4) == ".dcm" || name.substr(name.size() - 4) == ".DCM");
}

bool is_whole(const DicomHeader& header) {
  return header.rows > 0 || header.modality != "CT";
}

std::vector<DicomHeader> headers_of(ByteReader& reader, const SourceEntry& entry, Bytes prefix) {
  for (const std::uint64_t more : {kHeaderBytes[1], kHeaderBytes[2], entry.size_bytes}) {
    if (prefix.size() >= entry.size_bytes) break;
    try {
      std::vector<DicomHeader> headers = read_dicom_frames(prefix, entry.name);
      if (is_whole(headers.front())) return headers;
    } catch (const InvalidInput&) {  // the header may go on beyond the prefix
    }
    prefix = reader.read(entry, more);
  }
  return read_dicom_frames(prefix, entry.name);
}

/// Frames are slices only where each has a place of its own.
bool have_own_positions(const std::vector<DicomHeader>& frames) {
  return std::any_of(frames.begin(), frames.end(), [&](const DicomHeader& frame) {
    return frame.has_position && frame.position_mm != frames.front().position_mm;
  });
}

Scanned slices_of(std::vector<DicomHeader> frames) {
  if (const auto reason = skip_reason(frames.front())) return {{}, *reason, "", ""};
  if (frames.size() > 1) {
    if (!have_own_positions(frames)) return {{}, "multi_frame_without_positions", "", ""};
    for (std::size_t i = 0; i < frames.size(); ++i) {
      frames[i].sop_instance_uid.append("#").append(std::to_string(i + 1));
      frames[i].instance_number = static_cast<std::int64_t>(i + 1);
    }
  }
  return {std::move(frames), "", "", ""};
}

Scanned scan(ByteReader& reader, const SourceEntry& entry) {
  try {
    Bytes prefix = reader.read(entry, kHeaderBytes[0]);
    if (!looks_like_dicom(prefix)) {
      if (!has_dicom_name(entry.name)) return {{}, "other_file", "", ""};
      return {{}, "", "not_dicom", entry.name + " is named like a DICOM file but is none"};
    }
    return slices_of(headers_of(reader, entry, std::move(prefix)));
  } catch (const InvalidInput& error) {
    return {{}, "", error.reason(), error.what()};
  } catch (const IoError& error) {
    return {{}, "", "unreadable", error.what()};
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
    ledger.total("dicom_slices", static_cast<std::int64_t>(scanned.headers.size()));
    for (std::size_t frame = 0; frame < scanned.headers.size(); ++frame) {
      DicomHeader& header = scanned.headers[frame];
      auto& series = records[header.series_uid];
      series.push_back(
          {static_cast<std::uint32_t>(i), entries[i].name, std::move(header), static_cast<std::int64_t>(frame)});
    }
  });
  return records;
}

}  // namespace

std::vector<CtSeries> read_catalogue(const ByteSource& source, std::size_t threads, Ledger& ledger) {
  ledger.total("files", static_cast<std::int64_t>(source.entries().size()));
  for (const Refusal& refusal : source.refused()) ledger.problem(refusal.reason, refusal.message);
  std::vector<CtSeries> catalogue;
  for (auto& [uid, records] : scan_all(source, threads, ledger)) {
    auto series = assemble_series(std::move(records), ledger);
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
