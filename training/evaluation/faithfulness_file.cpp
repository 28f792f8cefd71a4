#include "training/evaluation/faithfulness_file.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "core/support/bytes.h"
#include "core/support/error.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMostBytes = 16U << 20U;
constexpr std::uint64_t kMostSteps = 10'000;
constexpr double kRounding = 1e-6;  // by which a mean of float32 probabilities may leave [0, 1]

[[noreturn]] void refuse(const std::string& what) {
  throw InvalidInput("faithfulness", what);
}

const Json& member(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end()) refuse("'" + key + "' is missing");
  return *found;
}

std::string text_of(const Json& object, const std::string& key) {
  const Json& value = member(object, key);
  if (!value.is_string() || value.get_ref<const std::string&>().empty()) refuse("'" + key + "' is no text");
  return value;
}

std::uint64_t count_of(const Json& object, const std::string& key) {
  const Json& value = member(object, key);
  if (!value.is_number_unsigned()) refuse("'" + key + "' is no count");
  return value;
}

// null: NaN.
double number_in(const Json& value, const std::string& key, double low, double high) {
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!value.is_number()) refuse("'" + key + "' is no number");
  const double number = value;
  if (number >= low - kRounding && number <= high + kRounding) return number;
  refuse("'" + key + "' is " + value.dump() + ", outside [" + std::to_string(static_cast<int>(low)) + ", " +
         std::to_string(static_cast<int>(high)) + "]");
}

MeanWithInterval mean_in(const Json& method, const std::string& key, double low) {
  const Json& object = member(method, key);
  const Json& interval = member(object, "interval");
  if (!interval.is_array() || interval.size() != 2) refuse("'" + key + ".interval' is no pair");
  const MeanWithInterval read{
      number_in(member(object, "mean"), key + ".mean", low, 1.0),
      {number_in(interval[0], key + ".interval", low, 1.0), number_in(interval[1], key + ".interval", low, 1.0)}};
  if (interval[0].is_null() != interval[1].is_null() || read.interval.low > read.interval.high) {
    refuse("'" + key + ".interval' does not go from low to high");
  }
  return read;
}

std::vector<double> curve_of(const Json& curves, const std::string& key, std::size_t points) {
  const Json& values = member(curves, key);
  if (!values.is_array() || values.size() != points) {
    refuse("'curves." + key + "' has not the " + std::to_string(points) + " points of its steps");
  }
  std::vector<double> curve;
  for (const Json& value : values) {
    if (value.is_null()) refuse("'curves." + key + "' has a gap");
    curve.push_back(number_in(value, "curves." + key, 0.0, 1.0));
  }
  return curve;
}

MethodSummary method_of(const Json& json, const FaithfulnessFacts& facts) {
  MethodSummary method;
  method.name = text_of(json, "name");
  method.n = count_of(json, "n");
  method.n_inside = count_of(json, "n_inside");
  if (method.n != facts.samples || method.n_inside > method.n) {
    refuse("the counts of '" + method.name + "' are not those of the samples");
  }
  method.deletion = mean_in(json, "deletion", 0.0);
  method.insertion = mean_in(json, "insertion", 0.0);
  method.inside = mean_in(json, "inside", 0.0);
  method.deletion_to_centre = mean_in(json, "deletion_minus_centre", -1.0);
  method.insertion_to_centre = mean_in(json, "insertion_minus_centre", -1.0);
  return method;
}

bool is_digest(const std::string& text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(),
                                          [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; });
}

FaithfulnessFacts facts_of(const Json& json) {
  FaithfulnessFacts facts;
  facts.row = text_of(json, "row");
  facts.split = text_of(json, "split");
  facts.bundle_sha256 = text_of(json, "bundle_sha256");
  if (!is_digest(facts.bundle_sha256)) refuse("'bundle_sha256' is no SHA-256");
  facts.data_digest = text_of(json, "data_digest");
  const Json& phantom = member(json, "phantom");
  if (!phantom.is_boolean()) refuse("'phantom' is neither true nor false");
  facts.phantom = phantom;
  facts.samples = count_of(json, "samples");
  facts.of = count_of(json, "samples_in_split");
  facts.patients = count_of(json, "patients");
  if (facts.patients < 1 || facts.patients > facts.samples || facts.samples > facts.of) {
    refuse("'patients', 'samples' and 'samples_in_split' do not fit each other");
  }
  if (json.contains("depth"))
    facts.depth = static_cast<std::int64_t>(std::min<std::uint64_t>(count_of(json, "depth"), 1'000'000));
  const Json& bootstrap = member(json, "bootstrap");
  facts.bootstrap.resamples = static_cast<int>(std::min<std::uint64_t>(count_of(bootstrap, "resamples"), 1'000'000));
  facts.bootstrap.level = number_in(member(bootstrap, "level"), "bootstrap.level", 0.0, 1.0);
  facts.bootstrap.seed = count_of(bootstrap, "seed");
  return facts;
}

// All methods have curves, or none has.
void read_methods(const Json& json, Faithfulness& measured) {
  const Json& methods = member(json, "methods");
  const std::uint64_t steps = count_of(json, "steps");
  if (steps < 1 || steps > kMostSteps) refuse("'steps' is " + std::to_string(steps));
  if (!methods.is_array() || methods.empty()) refuse("'methods' is no list of measured methods");
  std::set<std::string> names;
  for (const Json& one : methods) {
    measured.methods.push_back(method_of(one, measured.facts));
    if (!names.insert(measured.methods.back().name).second) refuse("a method stands there twice");
    if (one.contains("curves")) {
      const Json& curves = one["curves"];
      const std::size_t points = steps + 1;
      measured.curves.push_back({curve_of(curves, "deletion", points), curve_of(curves, "insertion", points)});
    }
  }
  for (const char* baseline : {kRandomOrder, kCentreOrder}) {
    if (names.count(baseline) == 0) refuse("the baseline '" + std::string(baseline) + "' is missing");
  }
  if (!measured.curves.empty() && measured.curves.size() != measured.methods.size()) {
    refuse("some methods have curves and some have none");
  }
}

}  // namespace

Faithfulness read_faithfulness(const std::filesystem::path& file) {
  const std::string text = read_text_file(file, kMostBytes);
  try {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) refuse("it is no JSON object");
    Faithfulness measured;
    measured.facts = facts_of(json);
    if (json.contains("fold")) measured.fold = text_of(json, "fold");
    read_methods(json, measured);
    return measured;
  } catch (const InvalidInput& error) {
    throw InvalidInput("faithfulness", file.string() + ": not what pulmo-train faithfulness writes (" + error.what() +
                                           "): delete it, or measure again with pulmo-train faithfulness --output");
  }
}

}  // namespace pulmo::training
