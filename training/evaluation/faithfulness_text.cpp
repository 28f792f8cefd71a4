#include <nlohmann/json.hpp>

#include "core/support/version.h"
#include "training/evaluation/faithfulness.h"
#include "training/evaluation/json_number.h"
#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const MeanWithInterval& one) {
  return {{"mean", json_number(one.mean)},
          {"interval", Json::array({json_number(one.interval.low), json_number(one.interval.high)})}};
}

std::string cell(const MeanWithInterval& one) {
  return with_interval(one.mean, one.interval);
}

}  // namespace

std::string to_markdown(const FaithfulnessFacts& facts, const std::vector<MethodSummary>& methods) {
  MarkdownTable table({"method", "deletion (low)", "insertion (high)", "deletion - centre", "insertion - centre",
                       "inside", "n", "n inside"});
  for (const MethodSummary& method : methods) {
    const bool is_centre = method.name == kCentreOrder;
    table.add_row({method.name, cell(method.deletion), cell(method.insertion),
                   is_centre ? "reference" : cell(method.deletion_to_centre),
                   is_centre ? "" : cell(method.insertion_to_centre), method.n_inside == 0 ? "" : cell(method.inside),
                   std::to_string(method.n), std::to_string(method.n_inside)});
  }
  std::string text = table.text() + "\n" + std::to_string(facts.samples) + " of " + std::to_string(facts.of) + " " +
                     facts.split + " samples, " + std::to_string(facts.patients) +
                     " patients; brackets are 95 % intervals by bootstrap over patients. Inside, of random: the "
                     "outline's share of the picture.\n";
  if (facts.phantom) text += "All figures are from the synthetic phantom.\n";
  return text;
}

std::string to_json(const FaithfulnessFacts& facts, const std::vector<MethodSummary>& methods) {
  Json json = {
      {"pulmo_version", version()},
      {"row", facts.row},
      {"bundle_sha256", facts.bundle_sha256},
      {"data_digest", facts.data_digest},
      {"phantom", facts.phantom},
      {"split", facts.split},
      {"samples", facts.samples},
      {"samples_in_split", facts.of},
      {"patients", facts.patients},
      {"steps", kCurveSteps},
      {"blur", kBlurShare},
      {"bootstrap",
       {{"resamples", facts.bootstrap.resamples}, {"level", facts.bootstrap.level}, {"seed", facts.bootstrap.seed}}}};
  Json list = Json::array();
  for (const MethodSummary& method : methods) {
    list.push_back({{"name", method.name},
                    {"n", method.n},
                    {"n_inside", method.n_inside},
                    {"deletion", json_of(method.deletion)},
                    {"insertion", json_of(method.insertion)},
                    {"inside", json_of(method.inside)},
                    {"deletion_minus_centre", json_of(method.deletion_to_centre)},
                    {"insertion_minus_centre", json_of(method.insertion_to_centre)}});
  }
  json["methods"] = list;
  return json.dump(2) + "\n";
}

}  // namespace pulmo::training
