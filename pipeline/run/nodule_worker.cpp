#include "pipeline/run/nodule_worker.h"

#include <memory>
#include <numeric>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <utility>

#include "core/image/dicom.h"
#include "core/support/error.h"
#include "pipeline/inspection/measures.h"
#include "pipeline/run/nodule_patch.h"
#include "pipeline/run/sample_masks.h"
#include "pipeline/run/sample_statistics.h"

namespace pulmo::pipeline {
namespace {

constexpr double kAirHu = -1000.0;

class NoduleWorker {
 public:
  explicit NoduleWorker(const NoduleTask& task) : task_(task), reader_(task.source) {}

  JobOutcome operator()(std::size_t index) {
    JobOutcome outcome;
    const auto refuse = [&](const std::string& reason, const std::string& message) {
      outcome.left_out.add(reason);
      outcome.problems.add(reason, message);
    };
    try {
      const NoduleJob& job = task_.plan.jobs[index];
      Sample sample = task_.config.nodule.dimensions == 3 ? make_volume(job, outcome.statistics)
                                                          : make_patch(job, outcome.statistics);
      describe(job, sample);
      outcome.statistics.add(measure::kRelativeHeight, class_of(job), series_of(job).relative_height(job.slice));
      outcome.sample = std::move(sample);
    } catch (const InvalidInput& error) {
      refuse(error.reason(), error.what());
    } catch (const IoError& error) {
      refuse("unreadable", error.what());
    }
    return outcome;
  }

 private:
  const CtSeries& series_of(const NoduleJob& job) const { return task_.archive[job.series].series; }
  const Nodule& nodule_of(const NoduleJob& job) const { return task_.archive[job.series].marks.nodules[job.nodule]; }
  const std::string& class_of(const NoduleJob& job) const { return task_.plan.class_names[job.label]; }
  cv::Size image_of(const NoduleJob& job) const {
    return {static_cast<int>(series_of(job).columns), static_cast<int>(series_of(job).rows)};
  }

  void describe(const NoduleJob& job, Sample& sample) const {
    const CtSeries& series = series_of(job);
    sample.label = job.label;
    sample.patient = series.patient;
    sample.series = series.series_uid;
    sample.group = series.series_uid + "/nodule-" + std::to_string(job.nodule + 1);
    sample.instance = series.slices[job.slice].sop_uid;
    sample.position_mm = series.slices[job.slice].position_mm;
  }

  Slice decode(const CtSeries& series, std::size_t slice) {
    const SourceEntry& entry = task_.source.entries()[series.slices[slice].entry];
    Slice decoded = decode_dicom(reader_.read(entry), entry.name, {}, series.slices[slice].frame);
    decoded.row_spacing_mm = series.row_spacing_mm;
    decoded.column_spacing_mm = series.column_spacing_mm;
    return decoded;
  }

  /// Mean pixel of the consensus on one slice.
  static cv::Point2d centre_on(const BoxMask& consensus) {
    const cv::Moments moments = cv::moments(consensus.mask, true);
    return {consensus.box.x + moments.m10 / moments.m00, consensus.box.y + moments.m01 / moments.m00};
  }

  cv::Mat counts_on(const NoduleJob& job, std::size_t slice) const {
    cv::Mat counts = cv::Mat::zeros(image_of(job), CV_8UC1);
    const BoxMask part = reader_counts(nodule_of(job), slice, counts.size());
    if (!part.box.empty()) part.mask.copyTo(counts(part.box));
    return counts;
  }

  Sample make_patch(const NoduleJob& job, Statistics& statistics) {
    const cv::Point2d centre = centre_on(consensus_mask(nodule_of(job), job.slice, image_of(job)));
    const double extent = task_.config.nodule.extent_mm;
    Slice slice = decode(series_of(job), job.slice);
    const cv::Mat patch = cut_patch(slice.pixels, slice, centre, extent, kAirHu);
    Sample sample;
    if (task_.config.store.masks) {
      const cv::Mat counts = cut_patch(counts_on(job, job.slice), slice, centre, extent, 0.0);
      sample.nodules = mask_values(preprocess_counts(counts, task_.config.preprocess));
    }
    slice.pixels = patch;
    const SourceEntry& entry = task_.source.entries()[series_of(job).slices[job.slice].entry];
    const PreprocessedSlice done = preprocess_of_file(slice, task_.config.preprocess, entry.name);
    sample.image = image_values(done.image);
    count_pixels(slice, class_of(job), statistics);
    count_preprocessed(done, task_.config.preprocess, class_of(job), statistics);
    return sample;
  }

  VolumeGrid grid_of(const NoduleJob& job) const {
    const CtSeries& series = series_of(job);
    cv::Point3d sum;
    double pixels = 0.0;
    for (const auto& [slice, area] : consensus_area(nodule_of(job), image_of(job))) {
      const cv::Point2d centre = centre_on(consensus_mask(nodule_of(job), slice, image_of(job)));
      sum += cv::Point3d(centre.x, centre.y, series.slices[slice].position_mm) * static_cast<double>(area);
      pixels += area;
    }
    VolumeGrid grid;
    grid.centre_px = {sum.x / pixels, sum.y / pixels};
    grid.centre_mm = sum.z / pixels;
    grid.side = task_.config.preprocess.size_px;
    grid.voxel_mm = task_.config.nodule.voxel_mm;
    grid.row_spacing_mm = series.row_spacing_mm;
    grid.column_spacing_mm = series.column_spacing_mm;
    return grid;
  }

  /// The slices on either side of every plane of the grid: first, and one past the last.
  static std::pair<std::size_t, std::size_t> range_of(const CtSeries& series, const VolumeGrid& grid) {
    std::size_t first = 0;
    std::size_t last = series.slices.size();
    while (first + 1 < last && series.slices[first + 1].position_mm <= grid.plane_mm(0)) ++first;
    while (last > first + 1 && series.slices[last - 2].position_mm >= grid.plane_mm(grid.side - 1)) --last;
    return {first, last};
  }

  Sample make_volume(const NoduleJob& job, Statistics& statistics) {
    const CtSeries& series = series_of(job);
    const VolumeGrid grid = grid_of(job);
    const auto [first, last] = range_of(series, grid);
    std::vector<cv::Mat> slices;
    std::vector<cv::Mat> counts;
    std::vector<double> positions;
    for (std::size_t i = first; i < last; ++i) {
      slices.push_back(windowed_and_smoothed(decode(series, i), task_.config.preprocess));
      if (task_.config.store.masks) counts.push_back(counts_on(job, i));
      positions.push_back(series.slices[i].position_mm);
    }
    const double air = std::clamp((kAirHu - task_.config.preprocess.window_low_hu) /
                                      (task_.config.preprocess.window_high_hu - task_.config.preprocess.window_low_hu),
                                  0.0, 1.0);
    Sample sample;
    sample.image = normalised_volume(resample_volume(slices, positions, grid, air));
    if (task_.config.store.masks) sample.nodules = resampled_counts(counts, positions, grid);
    const double sum = std::accumulate(sample.image.begin(), sample.image.end(), 0.0);
    statistics.add(measure::kMeanIntensity, class_of(job), sum / (65535.0 * static_cast<double>(sample.image.size())));
    return sample;
  }

  const NoduleTask& task_;
  ByteReader reader_;
};

}  // namespace

JobWorker make_nodule_worker(const NoduleTask& task) {
  return [worker = std::make_shared<NoduleWorker>(task)](std::size_t job) { return (*worker)(job); };
}

}  // namespace pulmo::pipeline
