#pragma once

#include <vector>

#include "pipeline/input/byte_source.h"
#include "pipeline/lidc/readings.h"
#include "pipeline/plan/prepare_config.h"
#include "pipeline/plan/slice_plan.h"
#include "pipeline/run/shard_run.h"

namespace pulmo::pipeline {

/// What the workers of the slice task share; must outlive them.
struct SliceTask {
  const ByteSource& source;
  const std::vector<ReadSeries>& archive;
  const SlicePlan& plan;
  const LidcConfig& config;

  bool stores_lungs() const { return config.store.masks && config.preprocess.mask == LungMasking::kLungs; }
  bool stores_nodules() const { return config.store.masks; }
};

/// A worker that reads, decodes and preprocesses the slice of a job. Left out (slices): no_lung_<class> and the other
/// reasons of preprocess() and decode_dicom(); a normal slice is then replaced by its next alternate, which counts -1
/// for not_drawn. Problems: what decode_dicom() and reading bytes refuse. Notes: nodule_outside_lungs, a slice of a
/// nodule whose consensus lies mostly outside of the lung mask: its label is right, yet the picture hides the reason.
JobWorker make_slice_worker(const SliceTask& task);

}  // namespace pulmo::pipeline
