#pragma once

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/support/yaml_reader.h"

namespace pulmo::training {

/// The names of the values of a policy, for configuration files.
template <typename Enum>
using Choices = std::vector<std::pair<std::string, Enum>>;

/// Fills options from one mapping; what is absent keeps its value. Sections are finished as they are left.
class OptionsReader {
 public:
  explicit OptionsReader(YamlReader& reader) : reader_(reader) {}

  template <typename Integer>
  void integer(const char* key, Integer& value, std::int64_t low, std::int64_t high) {
    value = static_cast<Integer>(reader_.integer(key, static_cast<std::int64_t>(value), low, high));
  }
  void seed(const char* key, std::uint64_t& value) { integer(key, value, 0, std::numeric_limits<std::int64_t>::max()); }
  void real(const char* key, double& value, double low, double high) { value = reader_.real(key, value, low, high); }
  void boolean(const char* key, bool& value) { value = reader_.boolean(key, value); }
  void text(const char* key, std::string& value) { value = reader_.text(key, value); }
  void texts(const char* key, std::vector<std::string>& value) { value = reader_.texts(key, value); }
  /// Positive numbers, at least one.
  void reals(const char* key, std::vector<double>& value) {
    value = reader_.reals(key, value);
    const bool good = !value.empty() && std::all_of(value.begin(), value.end(), [](double x) { return x > 0.0; });
    if (!good) reader_.refuse(key, "expected a list of positive numbers");
  }
  /// Whole numbers in a range, at least one.
  void integers(const char* key, std::vector<int>& value, int low, int high) {
    std::vector<double> reals(value.begin(), value.end());
    reals = reader_.reals(key, reals);
    const auto good = [&](double x) { return x >= low && x <= high && x == std::floor(x); };
    if (reals.empty() || !std::all_of(reals.begin(), reals.end(), good)) {
      reader_.refuse(key,
                     "expected a list of whole numbers from " + std::to_string(low) + " to " + std::to_string(high));
    }
    value.clear();
    for (const double x : reals) value.push_back(static_cast<int>(x));
  }
  template <typename Enum>
  void choice(const char* key, Enum& value, const Choices<Enum>& choices) {
    std::vector<std::string> names;
    std::string current;
    for (const auto& [name, meaning] : choices) {
      names.push_back(name);
      if (meaning == value) current = name;
    }
    const std::string chosen = reader_.choice(key, current, names);
    for (const auto& [name, meaning] : choices) {
      if (name == chosen) value = meaning;
    }
  }
  template <typename Visit>
  void section(const char* key, Visit visit) {
    YamlReader inner = reader_.section(key);
    OptionsReader visitor(inner);
    visit(visitor);
    inner.finish();
  }
  /// Sections whose names are data; each begins as `base`.
  template <typename Options, typename Visit>
  void sections(const char* key, std::map<std::string, Options>& values, const Options& base, Visit visit) {
    YamlReader outer = reader_.section(key);
    for (const std::string& name : outer.keys()) {
      YamlReader inner = outer.section(name);
      OptionsReader visitor(inner);
      Options& value = values.insert_or_assign(name, base).first->second;
      visit(visitor, value);
      inner.finish();
    }
    outer.finish();
  }

 private:
  YamlReader& reader_;
};

/// Writes options as a YAML document.
class OptionsWriter {
 public:
  OptionsWriter() {
    out_.SetDoublePrecision(17);
    out_ << YAML::BeginMap;
  }

  template <typename Integer>
  void integer(const char* key, const Integer& value, std::int64_t, std::int64_t) {
    put(key, static_cast<std::int64_t>(value));
  }
  void seed(const char* key, const std::uint64_t& value) { put(key, value); }
  void real(const char* key, double value, double, double) { put(key, shortest(value)); }
  void boolean(const char* key, bool value) { put(key, value); }
  void text(const char* key, const std::string& value) { put(key, value); }
  void texts(const char* key, const std::vector<std::string>& value) {
    out_ << YAML::Key << key << YAML::Value << YAML::Flow << value;
  }
  void reals(const char* key, const std::vector<double>& value) {
    out_ << YAML::Key << key << YAML::Value << YAML::Flow << YAML::BeginSeq;
    for (const double one : value) out_ << shortest(one);
    out_ << YAML::EndSeq;
  }
  void integers(const char* key, const std::vector<int>& value, int, int) {
    out_ << YAML::Key << key << YAML::Value << YAML::Flow << value;
  }
  template <typename Enum>
  void choice(const char* key, Enum value, const Choices<Enum>& choices) {
    for (const auto& [name, meaning] : choices) {
      if (meaning == value) put(key, name);
    }
  }
  template <typename Visit>
  void section(const char* key, Visit visit) {
    out_ << YAML::Key << key << YAML::Value << YAML::BeginMap;
    visit(*this);
    out_ << YAML::EndMap;
  }
  template <typename Options, typename Visit>
  void sections(const char* key, std::map<std::string, Options>& values, const Options&, Visit visit) {
    section(key, [&](auto& outer) {
      for (auto& [name, value] : values) {
        outer.section(name.c_str(), [&, &one = value](auto& inner) { visit(inner, one); });
      }
    });
  }

  /// The document. Call once, at the end.
  std::string text() {
    out_ << YAML::EndMap;
    return std::string(out_.c_str()) + "\n";
  }

 private:
  template <typename Value>
  void put(const char* key, const Value& value) {
    out_ << YAML::Key << key << YAML::Value << value;
  }

  YAML::Emitter out_;
};

}  // namespace pulmo::training
