#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "core/store/manifest.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "core/support/yaml_reader.h"

namespace pulmo {
namespace {

constexpr const char* kFileName = "manifest.yaml";
constexpr std::int64_t kMaxCount = std::int64_t{1} << 40;

bool is_digest(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// What a manifest must fulfil, read or written. Problems name places in lists, never patients.
class Checker {
 public:
  explicit Checker(std::filesystem::path file) : file_(std::move(file)) {}

  void check(const Manifest& manifest) const {
    const auto& names = manifest.class_names;
    require(!names.empty() && std::set(names.begin(), names.end()).size() == names.size(),
            "class_names: expected different names");
    require(std::count(names.begin(), names.end(), manifest.positive_class) == 1,
            "positive_class: '" + manifest.positive_class + "' is not one of class_names");
    for (const Split which : kSplits) check_split(manifest, which);
    check_patients(manifest);
  }

 private:
  void require(bool condition, const std::string& problem) const {
    if (!condition) throw InvalidInput("manifest", file_.string() + ": " + problem);
  }

  void check_split(const Manifest& manifest, Split which) const {
    const ManifestSplit& split = manifest.split(which);
    const std::string where = "splits." + std::string(to_string(which));
    std::set<std::string> files;
    for (const ManifestShard& shard : split.shards) {
      require(!shard.file.empty() && std::filesystem::path(shard.file).filename() == shard.file && shard.file != "..",
              where + ".shards: '" + shard.file + "' is not a plain file name");
      require(files.insert(shard.file).second, where + ".shards: " + shard.file + " is listed twice");
      require(is_digest(shard.sha256), where + ".shards: the sha256 of " + shard.file + " is not a SHA-256");
      require(shard.samples >= 0, where + ".shards: " + shard.file + " has a negative count");
    }
    std::int64_t total = 0;
    for (const auto& [name, count] : split.counts) {
      require(std::count(manifest.class_names.begin(), manifest.class_names.end(), name) == 1,
              where + ".counts: '" + name + "' is not one of class_names");
      total += count;
    }
    require(total == split.samples(), where + ".counts: they sum to " + std::to_string(total) + ", the shards hold " +
                                          std::to_string(split.samples()) + " samples");
  }

  void check_patients(const Manifest& manifest) const {
    std::map<std::string, std::string> seen;
    for (const Split which : kSplits) {
      const auto& patients = manifest.split(which).patients;
      for (std::size_t i = 0; i < patients.size(); ++i) {
        const std::string place = "splits." + std::string(to_string(which)) + ".patients[" + std::to_string(i) + "]";
        require(!patients[i].empty(), place + ": expected a name");
        const auto [entry, fresh] = seen.emplace(patients[i], place);
        require(fresh, place + ": the same patient as " + entry->second +
                           "; a patient belongs to one split only, or results are too good to be true");
      }
    }
  }

  std::filesystem::path file_;
};

// Plain only where every YAML reader sees the same text; 0001, 1e3, no and null are quoted.
void emit_text(YAML::Emitter& out, const std::string& text) {
  static const std::set<std::string> words = {"y",    "n",     "yes",  "no",  "on", "off",
                                              "true", "false", "null", "nan", "inf"};
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool plain = !text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
                     words.count(lower) == 0 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
                       return c < 0x80 && (std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.');
                     });
  if (plain) {
    out << text;
  } else {
    out << YAML::DoubleQuoted << text;
  }
}

void emit_key_text(YAML::Emitter& out, const char* key, const std::string& text) {
  out << YAML::Key << key << YAML::Value;
  emit_text(out, text);
}

// A block list; an empty one as [].
void begin_list(YAML::Emitter& out, bool empty) {
  if (empty) out << YAML::Flow;
  out << YAML::BeginSeq;
}

void emit_texts(YAML::Emitter& out, const char* key, const std::vector<std::string>& texts) {
  out << YAML::Key << key << YAML::Value;
  begin_list(out, texts.empty());
  for (const std::string& text : texts) emit_text(out, text);
  out << YAML::EndSeq;
}

void emit_digest(YAML::Emitter& out, const char* key, const std::string& digest) {
  out << YAML::Key << key << YAML::Value << YAML::DoubleQuoted << digest;  // 12e34... would read as a number
}

// Canonical JSON as a block mapping; numbers stay as JSON writes them.
void emit_spec(YAML::Emitter& out, const PreprocessSpec& spec) {
  out << YAML::Key << "spec" << YAML::Value << YAML::BeginMap;
  const auto json = nlohmann::json::parse(spec_to_json(spec));
  for (const auto& [key, value] : json.items()) {
    out << YAML::Key << key << YAML::Value;
    if (value.is_null()) {
      out << YAML::Null;
    } else if (value.is_string()) {
      emit_text(out, value.get<std::string>());
    } else {
      out << value.dump();
    }
  }
  out << YAML::EndMap;
  emit_digest(out, "spec_sha256", spec_digest(spec));
}

void emit_shape(YAML::Emitter& out, const SampleShape& shape) {
  out << YAML::Key << "shape" << YAML::Value << YAML::BeginMap;
  out << YAML::Key << "channels" << YAML::Value << shape.channels;
  out << YAML::Key << "depth" << YAML::Value << shape.depth;
  out << YAML::Key << "height" << YAML::Value << shape.height;
  out << YAML::Key << "width" << YAML::Value << shape.width;
  out << YAML::EndMap;
}

void emit_split(YAML::Emitter& out, const Manifest& manifest, Split which) {
  const ManifestSplit& split = manifest.split(which);
  out << YAML::Key << std::string(to_string(which)) << YAML::Value << YAML::BeginMap;
  out << YAML::Key << "counts" << YAML::Value << YAML::BeginMap;
  std::map<std::string, std::int64_t> counts = split.counts;
  for (const std::string& name : manifest.class_names) counts.emplace(name, 0);
  for (const auto& [name, count] : counts) {
    out << YAML::Key;
    emit_text(out, name);
    out << YAML::Value << count;
  }
  out << YAML::EndMap;
  std::vector<std::string> patients = split.patients;
  std::sort(patients.begin(), patients.end());
  emit_texts(out, "patients", patients);
  out << YAML::Key << "samples" << YAML::Value << split.samples();
  out << YAML::Key << "shards" << YAML::Value;
  begin_list(out, split.shards.empty());
  for (const ManifestShard& shard : split.shards) {
    out << YAML::BeginMap;
    emit_key_text(out, "file", shard.file);
    out << YAML::Key << "samples" << YAML::Value << shard.samples;
    emit_digest(out, "sha256", shard.sha256);
    out << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::EndMap;
}

std::string to_yaml(const Manifest& manifest) {
  YAML::Emitter out;
  out.SetNullFormat(YAML::LowerNull);
  out << YAML::BeginMap;
  emit_texts(out, "class_names", manifest.class_names);
  emit_digest(out, "data_digest", manifest.data_digest());
  out << YAML::Key << "format_version" << YAML::Value << kManifestFormatVersion;
  out << YAML::Key << "phantom" << YAML::Value << manifest.phantom;
  emit_key_text(out, "positive_class", manifest.positive_class);
  out << YAML::Key << "provenance" << YAML::Value;
  if (manifest.provenance.empty()) out << YAML::Flow;
  out << YAML::BeginMap;
  for (const auto& [key, value] : manifest.provenance) {
    out << YAML::Key;
    emit_text(out, key);
    out << YAML::Value;
    emit_text(out, value);
  }
  out << YAML::EndMap;
  out << YAML::Key << "seed" << YAML::Value << manifest.seed;
  emit_shape(out, manifest.shape);
  emit_key_text(out, "source", manifest.source);
  emit_spec(out, manifest.spec);
  out << YAML::Key << "splits" << YAML::Value << YAML::BeginMap;
  for (const Split which : kSplits) emit_split(out, manifest, which);
  out << YAML::EndMap;
  emit_key_text(out, "task", manifest.task);
  out << YAML::EndMap;
  return "# A folder prepared by pulmo-prepare; docs/formats.md explains every key. Written by the program: do not "
         "edit.\n" +
         std::string(out.c_str()) + "\n";
}

SampleShape read_shape(YamlReader shape) {
  SampleShape result;
  result.channels = shape.integer("channels", 1, 1, 1 << 16);
  result.depth = shape.integer("depth", 0, 0, 1 << 16);
  result.height = shape.integer("height", 0, 1, 1 << 16);
  result.width = shape.integer("width", 0, 1, 1 << 16);
  shape.finish();
  return result;
}

PreprocessSpec read_spec(YamlReader section) {
  nlohmann::json json = nlohmann::json::object();
  for (const std::string& key : section.keys()) {
    const std::string scalar = section.text(key, "null");
    const auto parsed = nlohmann::json::parse(scalar, nullptr, false);
    json[key] = parsed.is_discarded() ? nlohmann::json(scalar) : parsed;
  }
  return spec_from_json(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

ManifestSplit read_split(YamlReader section) {
  ManifestSplit split;
  YamlReader counts = section.section("counts");
  for (const std::string& name : counts.keys()) split.counts[name] = counts.integer(name, 0, 0, kMaxCount);
  split.patients = section.texts("patients", {});
  std::sort(split.patients.begin(), split.patients.end());
  for (YamlReader& shard : section.sections("shards")) {
    split.shards.push_back(
        {shard.required_text("file"), shard.integer("samples", 0, 0, kMaxCount), shard.required_text("sha256")});
    shard.finish();
  }
  const std::int64_t samples = section.integer("samples", 0, 0, kMaxCount);
  if (samples != split.samples()) section.refuse("samples", "it is not the sum of the shards");
  section.finish();
  return split;
}

std::uint64_t read_seed(YamlReader& root) {
  const std::string text = root.text("seed", "0");
  std::uint64_t seed = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (status != std::errc() || end != text.data() + text.size()) {
    root.refuse("seed", "expected a whole number from 0 to 2^64 - 1");
  }
  return seed;
}

Manifest from_yaml(YamlReader root) {
  const std::int64_t version = root.integer("format_version", 0, INT64_MIN, INT64_MAX);
  if (version < 1 || version > kManifestFormatVersion) {
    root.refuse("format_version", std::to_string(version) + ", but this program reads up to " +
                                      std::to_string(kManifestFormatVersion) +
                                      "; use a newer pulmo or prepare the data again");
  }
  Manifest manifest;
  manifest.class_names = root.texts("class_names", {});
  manifest.phantom = root.boolean("phantom", false);
  manifest.positive_class = root.required_text("positive_class");
  YamlReader provenance = root.section("provenance");
  for (const std::string& key : provenance.keys()) manifest.provenance[key] = provenance.text(key, "");
  manifest.seed = read_seed(root);
  manifest.shape = read_shape(root.section("shape"));
  manifest.source = root.required_text("source");
  manifest.spec = read_spec(root.section("spec"));
  YamlReader splits = root.section("splits");
  for (const Split which : kSplits) manifest.split(which) = read_split(splits.section(std::string(to_string(which))));
  splits.finish();
  manifest.task = root.required_text("task");
  if (root.required_text("spec_sha256") != spec_digest(manifest.spec))
    root.refuse("spec_sha256", "it is not the digest of spec: the file was edited");
  if (root.required_text("data_digest") != manifest.data_digest())
    root.refuse("data_digest", "it does not fit classes, spec and shards: the file was edited");
  root.finish();
  return manifest;
}

}  // namespace

void write_manifest(const std::filesystem::path& directory, const Manifest& manifest) {
  const std::filesystem::path file = directory / kFileName;
  Checker(file).check(manifest);
  write_file_atomically(file, to_yaml(manifest));
}

Manifest read_manifest(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / kFileName;
  try {
    Manifest manifest = from_yaml(YamlReader(load_yaml(file), file.string()));
    Checker(file).check(manifest);
    return manifest;
  } catch (const InvalidInput& error) {
    if (error.reason() == "manifest") throw;
    const std::string message = error.what();
    const bool named = message.find(file.string()) != std::string::npos;
    throw InvalidInput("manifest", (named ? "" : file.string() + ": ") + message);
  }
}

}  // namespace pulmo
