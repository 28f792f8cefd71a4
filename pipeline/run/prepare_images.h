#pragma once

#include <filesystem>
#include <optional>

#include "pipeline/plan/prepare_config.h"
#include "pipeline/run/prepare_run.h"

namespace pulmo::pipeline {

/// `pulmo-prepare images`: from listed pictures to a prepared folder. Samples come in the order of the manifest. Rows
/// whose picture cannot be used are left out and counted (rows): missing_file, no_lung_<class>, and the reasons of
/// decode_slice(), preprocess() and reading bytes; mask_size where a mask has another size than its picture.
/// nullopt: see run_prepare. Throws InvalidInput: csv, split, output, no_samples (and, when strict, any problem);
/// IoError; Interrupted.
std::optional<RunSummary> prepare_images(const std::filesystem::path& manifest, const ImagesConfig& config,
                                         const PrepareOptions& options);

}  // namespace pulmo::pipeline
