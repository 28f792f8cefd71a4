#include "pipeline/lidc/readings.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "core/support/digest.h"
#include "core/support/error.h"
#include "pipeline/run/ordered_map.h"
#include "pipeline/run/stop_signal.h"

namespace pulmo::pipeline {
namespace {

constexpr std::uint64_t kMaxXmlBytes = std::uint64_t{256} << 20U;  // the largest of LIDC-IDRI has 3 MB

struct Parsed {
  std::optional<LidcReading> reading;
  std::string problem;
  std::string message;
  std::string sha256;
};

bool has_xml_name(std::string_view name) {
  if (name.size() < 4) return false;
  std::string end(name.substr(name.size() - 4));
  std::transform(end.begin(), end.end(), end.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return end == ".xml";
}

Bytes read_xml(ByteReader& reader, const SourceEntry& entry) {
  if (entry.size_bytes > kMaxXmlBytes) {
    throw InvalidInput("too_large", entry.name + " is too large for an annotation file");
  }
  return reader.read(entry);
}

Parsed parse(ByteReader& reader, const SourceEntry& entry) {
  try {
    const Bytes xml = read_xml(reader, entry);
    return {parse_lidc_xml(xml, entry.name), "", "", sha256_hex(xml)};
  } catch (const InvalidInput& error) {
    return {std::nullopt, error.reason(), error.what(), ""};
  } catch (const IoError& error) {
    return {std::nullopt, "unreadable", error.what(), ""};
  }
}

std::vector<const SourceEntry*> xml_entries(const ByteSource& source) {
  std::vector<const SourceEntry*> files;
  for (const SourceEntry& entry : source.entries()) {
    if (has_xml_name(entry.name)) files.push_back(&entry);
  }
  return files;
}

}  // namespace

std::map<std::string, LidcReading> read_readings(const ByteSource& source, std::size_t threads, Ledger& ledger) {
  for (const Refusal& refusal : source.refused()) ledger.problem(refusal.reason, refusal.message);
  const std::vector<const SourceEntry*> files = xml_entries(source);
  ledger.total("xml_files", static_cast<std::int64_t>(files.size()));
  ledger.left_out(Scope::kFiles, "other_file", static_cast<std::int64_t>(source.entries().size() - files.size()));
  std::map<std::string, std::vector<LidcReading>> by_series;
  std::set<std::string> seen;
  const auto make_worker = [&] {
    return [&, reader = std::make_shared<ByteReader>(source)](std::size_t i) { return parse(*reader, *files[i]); };
  };
  ordered_for_each<Parsed>(files.size(), threads, make_worker, [&](std::size_t, Parsed parsed) {
    throw_if_stopped("nothing was written yet");
    if (!parsed.problem.empty()) {
      ledger.problem(parsed.problem, parsed.message);
    } else if (!parsed.reading) {
      ledger.left_out(Scope::kReadings, "radiograph_reading");
    } else if (!seen.insert(parsed.sha256).second) {  // a folder beside its own zip: each reader would count twice
      ledger.left_out(Scope::kReadings, "duplicate_reading");
    } else {
      by_series[parsed.reading->series_uid].push_back(std::move(*parsed.reading));
    }
  });
  std::map<std::string, LidcReading> readings;
  for (auto& [uid, parts] : by_series) {
    ledger.left_out(Scope::kReadings, "further_file_of_a_series", static_cast<std::int64_t>(parts.size()) - 1);
    readings.emplace(uid, combine_readings(std::move(parts)));
  }
  ledger.total("readings", static_cast<std::int64_t>(readings.size()));
  return readings;
}

std::string digest_of_readings(const ByteSource& source) {
  Sha256 digest;
  ByteReader reader(source);
  for (const SourceEntry* entry : xml_entries(source)) {
    digest.update(as_bytes(entry->name + "\n"));
    try {
      digest.update(read_xml(reader, *entry));
    } catch (const std::runtime_error&) {  // counted where it is read to be used
      digest.update(as_bytes("unreadable\n"));
    }
  }
  return digest.hex();
}

std::vector<ReadSeries> match_readings(std::vector<CtSeries> catalogue, std::map<std::string, LidcReading> readings,
                                       std::size_t threads, Ledger& ledger) {
  std::vector<std::pair<CtSeries*, const LidcReading*>> read;
  for (CtSeries& series : catalogue) {
    const auto reading = readings.find(series.series_uid);
    if (reading == readings.end()) {
      ledger.left_out(Scope::kSeries, "no_reading");
      ledger.left_out(Scope::kSlices, "no_reading", static_cast<std::int64_t>(series.slices.size()));
      continue;
    }
    read.emplace_back(&series, &reading->second);
  }
  struct Placed {
    SeriesMarks marks;
    Ledger ledger;
  };
  const auto make_worker = [&] {
    return [&](std::size_t i) {
      const auto& [series, reading] = read[i];
      Placed placed{{}, Ledger(ledger.strict())};
      placed.marks = place_reading(*reading, *series, placed.ledger);
      return placed;
    };
  };
  std::vector<ReadSeries> result;
  ordered_for_each<Placed>(read.size(), threads, make_worker, [&](std::size_t i, Placed placed) {
    ledger.merge(placed.ledger);
    result.push_back({std::move(*read[i].first), std::move(placed.marks)});
  });
  ledger.left_out(Scope::kReadings, "no_series", static_cast<std::int64_t>(readings.size() - read.size()));
  return result;
}

}  // namespace pulmo::pipeline
