#include "pipeline/run/slice_worker.h"

#include <memory>
#include <opencv2/core.hpp>
#include <string>
#include <utility>

#include "core/image/dicom.h"
#include "core/support/error.h"
#include "pipeline/inspection/measures.h"
#include "pipeline/run/sample_masks.h"
#include "pipeline/run/sample_statistics.h"

namespace pulmo::pipeline {
namespace {

/// Reasons that the slice, not the file, is the cause of.
bool is_plain_left_out(const std::string& reason) {
  return reason == "no_lung" || reason == "constant_image" || reason == "too_small";
}

class SliceWorker {
 public:
  explicit SliceWorker(const SliceTask& task) : task_(task), reader_(task.source) {}

  JobOutcome operator()(std::size_t index) {
    const SliceJob& job = task_.plan.jobs[index];
    JobOutcome outcome;
    if (try_slice(job, job.series, job.slice, outcome)) return outcome;
    for (const AxialSlice& alternate : job.alternates) {
      outcome.left_out.add("not_drawn", "", -1);
      if (try_slice(job, alternate.series, alternate.slice, outcome)) return outcome;
    }
    return outcome;
  }

 private:
  bool try_slice(const SliceJob& job, std::size_t series, std::size_t slice, JobOutcome& outcome) {
    const auto refuse = [&](const std::string& reason, const std::string& message) {
      const std::string& name = task_.plan.class_names[job.label];
      outcome.left_out.add(reason == "no_lung" ? reason + "_" + name : reason);
      if (!is_plain_left_out(reason)) outcome.problems.add(reason, message);
      return false;
    };
    try {
      outcome.sample = make_sample(job, series, slice, outcome);
      return true;
    } catch (const InvalidInput& error) {
      return refuse(error.reason(), error.what());
    } catch (const IoError& error) {
      return refuse("unreadable", error.what());
    }
  }

  Sample make_sample(const SliceJob& job, std::size_t series_index, std::size_t slice_index, JobOutcome& outcome) {
    const ReadSeries& read = task_.archive[series_index];
    const SeriesSlice& slice = read.series.slices[slice_index];
    const SourceEntry& entry = task_.source.entries()[slice.entry];
    const Slice pixels = decode_dicom(reader_.read(entry), entry.name, {}, slice.frame);
    const PreprocessedSlice done = preprocess_of_file(pixels, task_.config.preprocess, entry.name);
    if (job.label == 0) require_lung(pixels, entry.name);
    Sample sample;
    sample.image = image_values(done.image);
    if (task_.stores_lungs()) sample.lungs = mask_values(done.lungs);
    const cv::Mat nodules = nodules_of(read.marks, slice_index, pixels.pixels.size());
    if (task_.stores_nodules()) sample.nodules = mask_values(nodules);
    if (job.label > 0 && mostly_outside(nodules, done.lungs)) outcome.notes.add("nodule_outside_lungs", entry.name);
    sample.label = job.label;
    sample.patient = read.series.patient;
    sample.series = read.series.series_uid;
    sample.group = read.series.series_uid;
    sample.instance = slice.sop_uid;
    sample.position_mm = slice.position_mm;
    const std::string& name = task_.plan.class_names[job.label];
    count_pixels(pixels, name, outcome.statistics);
    count_preprocessed(done, task_.config.preprocess, name, outcome.statistics);
    outcome.statistics.add(measure::kRelativeHeight, name, read.series.relative_height(slice_index));
    return sample;
  }

  /// A normal slice shows lung, whether or not what lies around it is kept (the spec then has not looked).
  void require_lung(const Slice& pixels, const std::string& name) const {
    PreprocessSpec spec = task_.config.preprocess;
    if (spec.mask == LungMasking::kLungs) return;
    spec.mask = LungMasking::kLungs;
    preprocess_of_file(pixels, spec, name);
  }

  /// How many readers outlined each pixel as part of some nodule, preprocessed.
  cv::Mat nodules_of(const SeriesMarks& marks, std::size_t slice, cv::Size image) const {
    cv::Mat counts;
    for (const Nodule& nodule : marks.nodules) {
      const BoxMask part = reader_counts(nodule, slice, image);
      if (part.box.empty()) continue;
      if (counts.empty()) counts = cv::Mat::zeros(image, CV_8UC1);
      counts(part.box) = cv::max(counts(part.box), part.mask);
    }
    const PreprocessSpec& spec = task_.config.preprocess;
    return counts.empty() ? cv::Mat::zeros(spec.size_px, spec.size_px, CV_8UC1) : preprocess_counts(counts, spec);
  }

  static bool mostly_outside(const cv::Mat& nodules, const cv::Mat& lungs) {
    const cv::Mat outlined = nodules > 0;
    return 2 * cv::countNonZero(outlined & (lungs > 0)) < cv::countNonZero(outlined);
  }

  const SliceTask& task_;
  ByteReader reader_;
};

}  // namespace

JobWorker make_slice_worker(const SliceTask& task) {
  return [worker = std::make_shared<SliceWorker>(task)](std::size_t job) { return (*worker)(job); };
}

}  // namespace pulmo::pipeline
