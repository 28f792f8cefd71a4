#pragma once

#include <string>

#include "core/image/preprocess.h"
#include "core/image/slice.h"
#include "pipeline/inspection/distribution.h"
#include "pipeline/lidc/readings.h"

namespace pulmo::pipeline {

/// Geometry, scanner and length of a series, and its nodules' consensus and readers.
void count_series(const ReadSeries& read, MalignancyRule rule, Statistics& statistics);

/// The pixels of a slice or patch as it goes into preprocessing, every fourth in both directions.
void count_pixels(const Slice& slice, const std::string& class_name, Statistics& statistics);

/// Mean value and, where lungs were looked for, their share.
void count_preprocessed(const PreprocessedSlice& done, const PreprocessSpec& spec, const std::string& class_name,
                        Statistics& statistics);

}  // namespace pulmo::pipeline
