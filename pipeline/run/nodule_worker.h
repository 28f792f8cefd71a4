#pragma once

#include <vector>

#include "pipeline/input/byte_source.h"
#include "pipeline/lidc/readings.h"
#include "pipeline/plan/nodule_plan.h"
#include "pipeline/plan/prepare_config.h"
#include "pipeline/run/shard_run.h"

namespace pulmo::pipeline {

/// What the workers of the nodule task share; must outlive them.
struct NoduleTask {
  const ByteSource& source;
  const std::vector<ReadSeries>& archive;
  const NodulePlan& plan;
  const LidcConfig& config;
};

/// A worker that makes the patch (2D: cut around the centre of the consensus on its slice, then preprocess()) or the
/// volume (3D: docs/preprocessing.md steps 1, 2, 4 and 7, resampled around the centre of the consensus) of a job. Left
/// out and problems: the reasons of decode_dicom(), preprocess() and reading bytes; a slice of a volume that cannot be
/// read is a problem, and the volume is left out.
JobWorker make_nodule_worker(const NoduleTask& task);

}  // namespace pulmo::pipeline
