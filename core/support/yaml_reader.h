#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pulmo {

/// Reads one mapping of a YAML document strictly. Every read names its key; finish() then refuses the keys that nobody
/// asked for. All errors are InvalidInput("configuration") and say `file: key.path: problem`. Not thread-safe.
///
///   YamlReader root(load_yaml("train.yaml", overrides), "train.yaml");
///   YamlReader training = root.section("training");
///   options.epochs = training.integer("epochs", 50, 1, 100000);
///   training.finish();
///   root.finish();
class YamlReader {
 public:
  /// `node` must be a mapping without repeated keys, or empty (null).
  YamlReader(const YAML::Node& node, std::string source, std::string path = "");

  bool has(const std::string& key) const;

  std::int64_t integer(const std::string& key, std::int64_t fallback, std::int64_t low, std::int64_t high);
  double real(const std::string& key, double fallback, double low, double high);
  bool boolean(const std::string& key, bool fallback);
  std::string text(const std::string& key, const std::string& fallback);
  /// One of `allowed`.
  std::string choice(const std::string& key, const std::string& fallback, const std::vector<std::string>& allowed);
  std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& fallback);
  std::vector<double> reals(const std::string& key, const std::vector<double>& fallback);
  /// The key must be there.
  std::string required_text(const std::string& key);

  /// A nested mapping; an absent one reads as empty.
  YamlReader section(const std::string& key);
  /// A list of mappings; absent reads as empty.
  std::vector<YamlReader> sections(const std::string& key);

  /// The keys of this mapping in file order, for mappings whose keys are data (class names, splits).
  std::vector<std::string> keys() const;

  /// Throws when the mapping holds a key that was never read; the message lists the keys that exist.
  void finish() const;

  /// What was read so far with the defaults of what was absent, sections included, in the order of reading. A reader of
  /// sections() has its own.
  YAML::Node effective() const { return effective_; }

  /// Throws InvalidInput("configuration") about `key`, in the form of all other errors here.
  [[noreturn]] void refuse(const std::string& key, const std::string& problem) const;

 private:
  std::optional<YAML::Node> find(const std::string& key);
  template <typename Value>
  Value remember(const std::string& key, Value value);
  template <typename Value>
  Value convert(const YAML::Node& node, const std::string& key, const char* expected) const;

  YAML::Node node_;
  std::string source_;
  std::string path_;
  std::set<std::string> asked_;
  YAML::Node effective_{YAML::NodeType::Map};  ///< a section's is part of its parent's
};

/// The shortest text that reads back as the same number; yaml-cpp itself writes 0.2 with 17 digits.
std::string shortest(double value);

/// Parses the file and applies `key.path=value` overrides in order (`--set` on the command line). An empty path stands
/// for an empty document. Throws InvalidInput("configuration") or IoError.
YAML::Node load_yaml(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});

}  // namespace pulmo
