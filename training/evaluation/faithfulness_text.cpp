#include <nlohmann/json.hpp>

#include "core/support/version.h"
#include "training/evaluation/faithfulness.h"
#include "training/evaluation/faithfulness_file.h"
#include "training/evaluation/json_number.h"
#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const MeanWithInterval& one) {
  return {{"mean", json_number(one.mean)},
          {"interval", Json::array({json_number(one.interval.low), json_number(one.interval.high)})}};
}

Json json_of(const MethodSummary& method) {
  return {{"name", method.name},
          {"n", method.n},
          {"n_inside", method.n_inside},
          {"deletion", json_of(method.deletion)},
          {"insertion", json_of(method.insertion)},
          {"inside", json_of(method.inside)},
          {"deletion_minus_centre", json_of(method.deletion_to_centre)},
          {"insertion_minus_centre", json_of(method.insertion_to_centre)}};
}

Json json_of(const FaithfulnessFacts& facts) {
  return {
      {"pulmo_version", version()},
      {"row", facts.row},
      {"bundle_sha256", facts.bundle_sha256},
      {"data_digest", facts.data_digest},
      {"phantom", facts.phantom},
      {"split", facts.split},
      {"samples", facts.samples},
      {"samples_in_split", facts.of},
      {"patients", facts.patients},
      {"depth", facts.depth},
      {"steps", kCurveSteps},
      {"blur", kBlurShare},
      {"bootstrap",
       {{"resamples", facts.bootstrap.resamples}, {"level", facts.bootstrap.level}, {"seed", facts.bootstrap.seed}}}};
}

std::string cell(const MeanWithInterval& one) {
  return with_interval(one.mean, one.interval);
}

}  // namespace

std::vector<std::vector<std::string>> faithfulness_cells(const std::vector<MethodSummary>& methods) {
  std::vector<std::vector<std::string>> cells = {{"method", "deletion (low)", "insertion (high)", "deletion - centre",
                                                  "insertion - centre", "inside", "n", "n inside"}};
  for (const MethodSummary& method : methods) {
    const bool is_centre = method.name == kCentreOrder;
    cells.push_back({method.name, cell(method.deletion), cell(method.insertion),
                     is_centre ? "reference" : cell(method.deletion_to_centre),
                     is_centre ? "" : cell(method.insertion_to_centre), method.n_inside == 0 ? "" : cell(method.inside),
                     std::to_string(method.n), std::to_string(method.n_inside)});
  }
  return cells;
}

std::string samples_text(const FaithfulnessFacts& facts) {
  return std::to_string(facts.samples) + " of " + std::to_string(facts.of) + " " + facts.split + " samples" +
         (facts.depth > 0 ? " (volumes of " + std::to_string(facts.depth) + " slices)" : "");
}

std::string to_markdown(const FaithfulnessFacts& facts, const std::vector<MethodSummary>& methods) {
  const auto cells = faithfulness_cells(methods);
  MarkdownTable table(cells.front());
  for (std::size_t i = 1; i < cells.size(); ++i) table.add_row(cells[i]);
  std::string text = table.text() + "\n" + samples_text(facts) + ", " + std::to_string(facts.patients) +
                     " patients; brackets are 95 % intervals by bootstrap over patients. Inside, of random: the "
                     "outline's share of the picture.\n";
  if (facts.phantom) text += "All figures are from the synthetic phantom.\n";
  return text;
}

std::string to_json(const FaithfulnessFacts& facts, const std::vector<MethodSummary>& methods) {
  return to_json(Faithfulness{.facts = facts, .methods = methods});
}

std::string to_json(const Faithfulness& measured) {
  Json json = json_of(measured.facts);
  if (!measured.fold.empty()) json["fold"] = measured.fold;
  json["methods"] = Json::array();
  for (std::size_t i = 0; i < measured.methods.size(); ++i) {
    Json& method = json["methods"].emplace_back(json_of(measured.methods[i]));
    if (i >= measured.curves.size()) continue;
    method["curves"] = {{"deletion", measured.curves[i].deletion}, {"insertion", measured.curves[i].insertion}};
  }
  return json.dump(2) + "\n";
}

}  // namespace pulmo::training
