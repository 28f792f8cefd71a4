#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "training/run_log.h"

namespace pulmo::training {

/// The epochs of a log.jsonl, in its order; a torn line is passed over. Throws IoError, InvalidInput("log") when there
/// is no epoch in it or a line lacks a figure.
std::vector<EpochRecord> read_run_log(const std::filesystem::path& path);

/// The curves of one run over its epochs as an SVG document that stands alone, light and dark: losses, validation area
/// and accuracy, learning rate, images per second; of a run that learns outlines their losses and Dice too. The best
/// epoch is marked. At least one epoch.
std::string run_curves_svg(const std::vector<EpochRecord>& epochs, const std::string& title);

}  // namespace pulmo::training
