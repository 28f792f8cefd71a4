#include "pipeline/run/image_worker.h"

#include <algorithm>
#include <memory>
#include <opencv2/core.hpp>
#include <string>

#include "core/image/dicom.h"
#include "core/image/slice_decoder.h"
#include "core/support/error.h"
#include "pipeline/inspection/measures.h"
#include "pipeline/run/sample_masks.h"
#include "pipeline/run/sample_statistics.h"

namespace pulmo::pipeline {
namespace {

constexpr double kMostReaders = 16.0;

class ImageWorker {
 public:
  explicit ImageWorker(const ImageTask& task) : task_(task), reader_(task.source) {}

  JobOutcome operator()(std::size_t index) {
    const ImageRow& row = task_.manifest.rows[index];
    JobOutcome outcome;
    try {
      outcome.sample = make_sample(row, outcome.statistics);
    } catch (const InvalidInput& error) {
      refuse(row, error.reason(), error.what(), outcome);
    } catch (const IoError& error) {
      refuse(row, "unreadable", error.what(), outcome);
    }
    return outcome;
  }

 private:
  static void refuse(const ImageRow& row, const std::string& reason, const std::string& message, JobOutcome& outcome) {
    outcome.left_out.add(reason == "no_lung" ? reason + "_" + row.label : reason);
    if (reason != "no_lung") outcome.problems.add(reason, message);
  }

  const SourceEntry& entry_of(const std::string& path, const ImageRow& row) const {
    const std::filesystem::path place = resolved(task_.manifest_path, path);
    if (const SourceEntry* entry = task_.source.find(place.string())) return *entry;
    std::error_code error;
    const bool there = std::filesystem::exists(container_of(place), error) && container_of(place) == place;
    const std::string line =
        " (" + task_.manifest_path.filename().string() + ", line " + std::to_string(row.line) + ")";
    if (error) throw InvalidInput("unreadable", place.string() + ": " + error.message() + line);
    if (there) throw InvalidInput("unreadable", place.string() + ": is no file" + line);
    throw InvalidInput("missing_file", place.string() + ": does not exist" + line);
  }

  /// A row has one label and makes one sample: which frame it is about, it does not say.
  static void refuse_frames(ByteView bytes, const std::string& name) {
    if (!looks_like_dicom(bytes)) return;
    const std::int64_t frames = read_dicom_header(bytes, name).frames;
    if (frames == 1) return;
    throw InvalidInput("multi_frame",
                       name + ": holds " + std::to_string(frames) + " frames; list a file for each slice");
  }

  Sample make_sample(const ImageRow& row, Statistics& statistics) {
    const SourceEntry& entry = entry_of(row.path, row);
    const Bytes bytes = reader_.read(entry);
    refuse_frames(bytes, entry.name);
    const Slice slice = decode_slice(bytes, entry.name, {}, task_.config.intercept_hu);
    const PreprocessedSlice done = preprocess_of_file(slice, task_.config.preprocess, entry.name);
    Sample sample;
    sample.image = image_values(done.image);
    if (task_.stores_lungs()) sample.lungs = mask_values(done.lungs);
    if (task_.stores_nodules()) {
      sample.nodules = mask_values(preprocess_counts(reader_counts(row, slice.pixels.size()), task_.config.preprocess));
    }
    const auto& names = task_.manifest.class_names;
    sample.label = static_cast<std::uint8_t>(std::find(names.begin(), names.end(), row.label) - names.begin());
    sample.patient = row.patient;
    sample.series = row.group;
    sample.group = row.group;
    sample.instance = row.path;
    count_pixels(slice, row.label, statistics);
    count_preprocessed(done, task_.config.preprocess, row.label, statistics);
    if (slice.row_spacing_mm > 0.0) statistics.add(measure::kPixelSpacing, row.label, slice.row_spacing_mm);
    return sample;
  }

  cv::Mat reader_counts(const ImageRow& row, cv::Size size) {
    if (row.mask.empty()) return cv::Mat::zeros(size, CV_8UC1);
    const SourceEntry& entry = entry_of(row.mask, row);
    const cv::Mat values = decode_slice(reader_.read(entry), entry.name, {}, 0.0).pixels;  // as they are stored
    if (values.size() != size) {
      throw InvalidInput("mask_size", entry.name + " has " + std::to_string(values.cols) + "x" +
                                          std::to_string(values.rows) + " pixels, its picture " +
                                          std::to_string(size.width) + "x" + std::to_string(size.height));
    }
    double highest = 0.0;
    cv::minMaxLoc(values, nullptr, &highest);
    if (highest > kMostReaders) return (values >= 0.5 * highest) / 255;
    cv::Mat counts;
    values.convertTo(counts, CV_8UC1);
    return counts;
  }

  const ImageTask& task_;
  ByteReader reader_;
};

}  // namespace

JobWorker make_image_worker(const ImageTask& task) {
  return [worker = std::make_shared<ImageWorker>(task)](std::size_t job) { return (*worker)(job); };
}

}  // namespace pulmo::pipeline
