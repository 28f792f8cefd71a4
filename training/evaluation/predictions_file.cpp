#include "training/evaluation/predictions_file.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"

namespace pulmo::training {
namespace {

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string text = "\"";
  for (const char c : field) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + '"';
}

std::string header_line(const ClassList& classes) {
  std::string line = "split,patient,group,instance,label";
  for (const std::string& name : classes.names) line.append(",").append(quoted("p_" + name));
  return line + '\n';
}

void append_row(std::string& text, const std::string& split, const Prediction& one, const ClassList& classes) {
  for (const std::string& field : {split, one.patient, one.group, one.instance}) text.append(quoted(field)).append(",");
  text += quoted(classes.names[static_cast<std::size_t>(one.label)]);
  for (const double p : one.probabilities) {
    char number[32];
    std::snprintf(number, sizeof number, ",%.17g", p);
    text += number;
  }
}

// One record from `text` at `at`, which moves behind it; nothing at the end.
std::optional<std::vector<std::string>> next_record(const std::string& text, std::size_t& at) {
  if (at >= text.size()) return std::nullopt;
  std::vector<std::string> fields(1);
  bool inside = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (inside) {
      if (c != '"') {
        fields.back() += c;
      } else if (at + 1 < text.size() && text[at + 1] == '"') {
        fields.back() += text[++at];
      } else {
        inside = false;
      }
    } else if (c == '"') {
      inside = true;
    } else if (c == ',') {
      fields.emplace_back();
    } else if (c == '\n') {
      ++at;
      break;
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  return fields;
}

struct Place {
  const std::filesystem::path& path;
  std::size_t record;

  [[noreturn]] void refuse(const std::string& problem) const {
    throw InvalidInput("predictions", path.string() + ": record " + std::to_string(record) + ": " + problem);
  }
};

Prediction parse_row(const std::vector<std::string>& fields, const ClassList& classes, const Place& place) {
  if (fields.size() != 5 + classes.names.size()) {
    place.refuse("has " + std::to_string(fields.size()) + " fields, expected " +
                 std::to_string(5 + classes.names.size()));
  }
  Prediction one{fields[1], fields[2], fields[3], 0, {}};
  const auto label = std::find(classes.names.begin(), classes.names.end(), fields[4]);
  if (label == classes.names.end()) place.refuse("unknown label '" + fields[4] + "'");
  one.label = static_cast<int>(label - classes.names.begin());
  for (std::size_t k = 5; k < fields.size(); ++k) {
    double value = 0.0;
    const char* end = fields[k].data() + fields[k].size();
    const auto [parsed, failure] = std::from_chars(fields[k].data(), end, value);
    if (failure != std::errc() || parsed != end || !(value >= 0.0 && value <= 1.0)) {
      place.refuse("'" + fields[k] + "' is not a probability");
    }
    one.probabilities.push_back(value);
  }
  return one;
}

}  // namespace

void write_predictions(const std::filesystem::path& path, const ClassList& classes,
                       const std::vector<SplitPredictions>& splits, bool pooled_folds) {
  std::string text = header_line(classes);
  if (pooled_folds) text.insert(text.size() - 1, ",fold");
  for (const SplitPredictions& part : splits) {
    for (const Prediction& one : part.samples) {
      append_row(text, part.split, one, classes);
      if (pooled_folds) text.append(",").append(std::to_string(one.fold + 1));
      text += '\n';
    }
  }
  write_file_atomically(path, text);
}

std::vector<SplitPredictions> read_predictions(const std::filesystem::path& path, const ClassList& classes) {
  const std::string text = read_text_file(path);
  if (text.rfind(header_line(classes), 0) != 0) {
    throw InvalidInput("predictions", path.string() + ": the first line must be " + header_line(classes));
  }
  std::size_t at = header_line(classes).size();
  std::vector<SplitPredictions> splits;
  Place place{path, 1};
  while (const auto fields = next_record(text, at)) {
    ++place.record;
    Prediction one = parse_row(*fields, classes, place);
    if (splits.empty() || splits.back().split != fields->front()) splits.push_back({fields->front(), {}});
    splits.back().samples.push_back(std::move(one));
  }
  return splits;
}

}  // namespace pulmo::training
