#include "training/outline_agreement.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <set>

#include "core/model/predictor.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "core/support/version.h"
#include "training/evaluate.h"
#include "training/evaluation/json_number.h"
#include "training/evaluation/table.h"
#include "training/fit.h"
#include "training/outlines.h"
#include "training/scoring.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kBatch = 32;
constexpr std::uint16_t kHalf = 32768;  // the least share that rounds from one half
constexpr int kLeastReaders[] = {1, 2, 3, 4};

/// Pixels of one nodule, over its slices.
struct Areas {
  double both = 0.0, model = 0.0, readers = 0.0;
  double dice() const { return 2.0 * both / (model + readers); }
};

struct Nodule {
  std::string patient;
  int readers = 0;  ///< who marked it; 0: nobody
  Areas areas;
};

Areas areas_of(const cv::Mat& p, const std::vector<std::uint16_t>& shares) {
  Areas areas;
  const auto* first = p.ptr<float>();
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const bool model = first[i] >= 0.5F;
    const bool readers = shares[i] >= kHalf;
    areas.model += model ? 1.0 : 0.0;
    areas.readers += readers ? 1.0 : 0.0;
    areas.both += model && readers ? 1.0 : 0.0;
  }
  return areas;
}

std::vector<Areas> areas_of_slices(const Predictor& predictor, const Dataset& slices, const ReaderOutlines& outlines) {
  std::vector<Areas> areas;
  std::vector<std::uint16_t> shares(static_cast<std::size_t>(slices.shape().height * slices.shape().width));
  for (std::int64_t begin = 0; begin < slices.size(); begin += kBatch) {
    const Range range{begin, std::min(slices.size(), begin + kBatch)};
    const std::vector<cv::Mat> maps = predictor.outlines(read_batch(slices, range, predictor.metadata().channels));
    if (maps.empty()) {
      throw InvalidInput("bundle", "the row " + predictor.metadata().row +
                                       " outlines no nodules: measure one that does, such as unet_densenet");
    }
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      outlines.read(i, shares);
      areas.push_back(areas_of(maps[static_cast<std::size_t>(i - range.begin)], shares));
    }
  }
  return areas;
}

std::vector<Nodule> nodules_of(const Predictor& predictor, const Dataset& slices) {
  const ReaderOutlines outlines(slices);
  const std::vector<Areas> areas = areas_of_slices(predictor, slices, outlines);
  std::vector<Nodule> nodules;
  for (const std::vector<std::int64_t>& group : groups_of(slices)) {
    Nodule nodule{slices.patient(group.front()), outlines.readers(group.front()), {}};
    for (const std::int64_t i : group) {
      const Areas& one = areas[static_cast<std::size_t>(i)];
      nodule.areas.both += one.both;
      nodule.areas.model += one.model;
      nodule.areas.readers += one.readers;
    }
    nodules.push_back(std::move(nodule));
  }
  return nodules;
}

struct Line {
  int least_readers = 1;
  std::size_t nodules = 0, patients = 0;
  MeanWithInterval dice;
  double median = 0.0;
};

Line line_of(const std::vector<Nodule>& nodules, int least_readers, const BootstrapOptions& options) {
  std::vector<double> dice;
  std::vector<std::string> patients;
  for (const Nodule& nodule : nodules) {
    if (nodule.readers < least_readers) continue;
    dice.push_back(nodule.areas.dice());
    patients.push_back(nodule.patient);
  }
  Line line{least_readers, dice.size(), std::set<std::string>(patients.begin(), patients.end()).size(),
            mean_of(dice, patients, options), std::numeric_limits<double>::quiet_NaN()};
  if (dice.empty()) return line;
  std::sort(dice.begin(), dice.end());
  line.median = 0.5 * (dice[(dice.size() - 1) / 2] + dice[dice.size() / 2]);
  return line;
}

std::string to_markdown(const std::vector<Line>& lines, std::size_t without, const OutlineJob& job,
                        const PreparedData& data, bool phantom) {
  const bool of_nodules = data.manifest.task == "nodule";
  MarkdownTable table({of_nodules ? "nodules of" : "series of", "n", "patients", "Dice, mean", "median"});
  for (const Line& line : lines) {
    table.add_row(
        {line.least_readers == 1 ? "any reader" : "at least " + std::to_string(line.least_readers) + " readers",
         std::to_string(line.nodules), std::to_string(line.patients), with_interval(line.dice.mean, line.dice.interval),
         figure(line.median)});
  }
  std::string text =
      table.text() +
      "\nPixels with p >= 1/2 against those that at least half of the readers outlined, over the slices of a " +
      (of_nodules ? "nodule" : "series, whose readers are those of its most marked nodule") + ", " +
      std::string(to_string(job.split)) + " part; brackets are 95 % intervals by bootstrap over patients. " +
      std::to_string(without) + (of_nodules ? " nodules" : " series") + " that nobody outlined are left out.\n";
  if (phantom) text += "All figures are from the synthetic phantom.\n";
  return text;
}

std::string to_json(const std::vector<Line>& lines, std::size_t without, const OutlineJob& job,
                    const PreparedData& data, const Predictor& predictor) {
  Json json = {
      {"pulmo_version", version()},
      {"row", predictor.metadata().row},
      {"bundle_sha256", predictor.sha256()},
      {"data_digest", data.digest},
      {"phantom", data.manifest.phantom || predictor.metadata().phantom},
      {"split", to_string(job.split)},
      {"groups_without_outline", without},
      {"bootstrap",
       {{"resamples", job.bootstrap.resamples}, {"level", job.bootstrap.level}, {"seed", job.bootstrap.seed}}}};
  Json list = Json::array();
  for (const Line& line : lines) {
    list.push_back(
        {{"least_readers", line.least_readers},
         {"nodules", line.nodules},
         {"patients", line.patients},
         {"dice", json_number(line.dice.mean)},
         {"interval", Json::array({json_number(line.dice.interval.low), json_number(line.dice.interval.high)})},
         {"median", json_number(line.median)}});
  }
  json["nodules"] = list;
  return json.dump(2) + "\n";
}

std::string measured(const OutlineJob& job, const PreparedData& data, const Predictor& predictor) {
  const std::vector<Nodule> nodules = nodules_of(predictor, data.split(job.split));
  const auto without = static_cast<std::size_t>(
      std::count_if(nodules.begin(), nodules.end(), [](const Nodule& nodule) { return nodule.readers == 0; }));
  std::vector<Line> lines;
  for (const int least : kLeastReaders) lines.push_back(line_of(nodules, least, job.bootstrap));
  if (!job.output.empty()) write_file_atomically(job.output, to_json(lines, without, job, data, predictor));
  return to_markdown(lines, without, job, data, data.manifest.phantom || predictor.metadata().phantom);
}

}  // namespace

std::string outline_agreement(const OutlineJob& job, const PreparedData& data, const Communicator& communicator) {
  const int threads = set_up_compute({}, communicator);
  std::string text;
  communicator.together([&] {
    if (!communicator.is_root()) return;
    const auto predictor = load_predictor(job.bundle, threads);
    const auto fold = as_dealt_to(predictor->metadata(), data);
    check_fits(job.bundle, predictor->metadata(), fold.value_or(data), {job.split});
    text = measured(job, fold.value_or(data), *predictor);
  });
  return text;
}

}  // namespace pulmo::training
