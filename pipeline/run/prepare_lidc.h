#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "pipeline/plan/prepare_config.h"
#include "pipeline/run/prepare_run.h"

namespace pulmo::pipeline {

struct LidcInput {
  std::vector<std::filesystem::path> images;       ///< folders, zips or files of DICOM
  std::vector<std::filesystem::path> annotations;  ///< folders, zips or files of LIDC XML
};

/// `pulmo-prepare lidc`: from DICOM series and readings to a prepared folder. nullopt: see run_prepare. Throws
/// InvalidInput: no_input, no_series, no_annotations, split, output, no_samples (and, when strict, any problem);
/// IoError; Interrupted.
std::optional<RunSummary> prepare_lidc(const LidcInput& input, const LidcConfig& config, const PrepareOptions& options);

}  // namespace pulmo::pipeline
