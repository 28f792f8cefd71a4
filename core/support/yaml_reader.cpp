#include "core/support/yaml_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>

#include "core/support/bytes.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

template <typename Number>
std::string outside(Number value, Number low, Number high) {
  std::ostringstream text;
  text << value << " is outside [" << low << ", " << high << "]";
  return text.str();
}

void apply_override(YAML::Node& root, const std::string& setting) {
  const auto equals = setting.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UsageError("--set " + setting + ": expected key.path=value");
  }
  YAML::Node value;
  try {
    value = YAML::Load(setting.substr(equals + 1));
  } catch (const YAML::Exception& error) {
    throw UsageError("--set " + setting + ": " + error.what());
  }
  YAML::Node node = root;
  std::istringstream keys(setting.substr(0, equals));
  std::string key;
  std::vector<std::string> path;
  while (std::getline(keys, key, '.')) path.push_back(key);
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    YAML::Node next = node[path[i]];
    if (next.IsDefined() && !next.IsNull() && !next.IsMap()) {
      throw UsageError("--set " + setting + ": '" + path[i] + "' is a value, not a section");
    }
    node.reset(next);
  }
  node[path.back()] = value;
}

}  // namespace

YamlReader::YamlReader(const YAML::Node& node, std::string source, std::string path)
    : node_(node), source_(std::move(source)), path_(std::move(path)) {
  if (node_.IsDefined() && !node_.IsNull() && !node_.IsMap()) {
    throw InvalidInput("configuration",
                       source_ + ": " + (path_.empty() ? "the document" : path_) + ": expected a mapping");
  }
  if (!node_.IsMap()) return;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) refuse("?", "a key must be a single word");
    if (!seen.insert(entry.first.Scalar()).second) refuse(entry.first.Scalar(), "this key is given twice");
  }
}

bool YamlReader::has(const std::string& key) const {
  return node_.IsMap() && node_[key].IsDefined() && !node_[key].IsNull();
}

std::optional<YAML::Node> YamlReader::find(const std::string& key) {
  asked_.insert(key);
  if (!has(key)) return std::nullopt;
  return node_[key];
}

template <typename Value>
Value YamlReader::remember(const std::string& key, Value value) {
  if constexpr (std::is_same_v<Value, double>) {
    effective_[key] = shortest(value);
  } else if constexpr (std::is_same_v<Value, std::vector<double>>) {
    effective_[key] = YAML::Node(YAML::NodeType::Sequence);
    for (const double one : value) effective_[key].push_back(shortest(one));
  } else {
    effective_[key] = value;
  }
  return value;
}

template <typename Value>
Value YamlReader::convert(const YAML::Node& node, const std::string& key, const char* expected) const {
  try {
    return node.as<Value>();
  } catch (const YAML::Exception&) {
    constexpr bool kOneValue = std::is_arithmetic_v<Value> || std::is_same_v<Value, std::string>;
    const bool tell = kOneValue && node.IsScalar();  // not of lists, which may be of patients
    refuse(key, std::string("expected ") + expected + (tell ? ", got '" + node.Scalar() + "'" : ""));
  }
}

std::int64_t YamlReader::integer(const std::string& key, std::int64_t fallback, std::int64_t low, std::int64_t high) {
  const auto node = find(key);
  if (!node) return remember(key, fallback);
  const auto value = convert<std::int64_t>(*node, key, "a whole number");
  if (value < low || value > high) refuse(key, outside(value, low, high));
  return remember(key, value);
}

double YamlReader::real(const std::string& key, double fallback, double low, double high) {
  const auto node = find(key);
  if (!node) return remember(key, fallback);
  const auto value = convert<double>(*node, key, "a number");
  if (!(value >= low && value <= high)) refuse(key, outside(value, low, high));
  return remember(key, value);
}

bool YamlReader::boolean(const std::string& key, bool fallback) {
  const auto node = find(key);
  return remember(key, node ? convert<bool>(*node, key, "true or false") : fallback);
}

std::string YamlReader::text(const std::string& key, const std::string& fallback) {
  const auto node = find(key);
  return remember(key, node ? convert<std::string>(*node, key, "text") : fallback);
}

std::string YamlReader::choice(const std::string& key, const std::string& fallback,
                               const std::vector<std::string>& allowed) {
  std::string value = text(key, fallback);
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
    refuse(key, "'" + value + "' is not one of " + joined(allowed));
  }
  return value;
}

std::vector<std::string> YamlReader::texts(const std::string& key, const std::vector<std::string>& fallback) {
  const auto node = find(key);
  return remember(key, node ? convert<std::vector<std::string>>(*node, key, "a list of texts") : fallback);
}

std::vector<double> YamlReader::reals(const std::string& key, const std::vector<double>& fallback) {
  const auto node = find(key);
  return remember(key, node ? convert<std::vector<double>>(*node, key, "a list of numbers") : fallback);
}

std::string YamlReader::required_text(const std::string& key) {
  const auto node = find(key);
  if (!node) refuse(key, "this key is required");
  return remember(key, convert<std::string>(*node, key, "text"));
}

YamlReader YamlReader::section(const std::string& key) {
  const auto node = find(key);
  YamlReader inner(node ? *node : YAML::Node(), source_, path_.empty() ? key : path_ + "." + key);
  effective_[key] = inner.effective_;
  return inner;
}

std::vector<YamlReader> YamlReader::sections(const std::string& key) {
  const auto node = find(key);
  if (!node) return {};
  if (!node->IsSequence()) refuse(key, "expected a list");
  const std::string path = path_.empty() ? key : path_ + "." + key;
  std::vector<YamlReader> readers;
  for (std::size_t i = 0; i < node->size(); ++i) {
    readers.emplace_back((*node)[i], source_, path + "[" + std::to_string(i) + "]");
  }
  return readers;
}

std::vector<std::string> YamlReader::keys() const {
  std::vector<std::string> names;
  if (node_.IsMap()) {
    for (const auto& entry : node_) names.push_back(entry.first.as<std::string>());
  }
  return names;
}

void YamlReader::finish() const {
  for (const std::string& key : keys()) {
    if (asked_.count(key) == 0) {
      refuse(key, "unknown key; known here: " + joined({asked_.begin(), asked_.end()}));
    }
  }
}

void YamlReader::refuse(const std::string& key, const std::string& problem) const {
  throw InvalidInput("configuration", source_ + ": " + (path_.empty() ? key : path_ + "." + key) + ": " + problem);
}

std::string shortest(double value) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end};
}

YAML::Node load_yaml(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  std::vector<YAML::Node> documents;
  if (!file.empty()) {
    try {
      documents = YAML::LoadAll(read_text_file(file));
    } catch (const YAML::Exception& error) {
      throw InvalidInput("configuration", file.string() + ": not valid YAML: " + error.what());
    }
  }
  if (documents.size() > 1) throw InvalidInput("configuration", file.string() + ": it holds more than one document");
  YAML::Node root = documents.empty() ? YAML::Node() : documents.front();
  if (!root.IsDefined() || root.IsNull()) root = YAML::Node(YAML::NodeType::Map);
  if (!root.IsMap()) throw InvalidInput("configuration", file.string() + ": the document: expected a mapping");
  for (const std::string& setting : overrides) apply_override(root, setting);
  return root;
}

}  // namespace pulmo
