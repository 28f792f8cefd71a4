#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "training/evaluation/bootstrap.h"
#include "training/evaluation/faithfulness_file.h"
#include "training/prepared_data.h"

namespace pulmo::training {

/// Of a row's folder: what was measured of the explanations of the bundle.pt there.
inline constexpr const char* kFaithfulnessFile = "faithfulness.json";

/// The file of a row's folder; nothing where there is none, or where it is of another bundle or other data than
/// `data_digest`, which is logged. Throws as read_faithfulness().
std::optional<Faithfulness> fitting_faithfulness(const std::filesystem::path& folder, const std::string& data_digest);

/// The same; where it is missing or on fewer samples, measures `samples` of the test part of `data`, on LibTorch's
/// present threads, and writes the file. Throws as measure_faithfulness(), IoError.
Faithfulness made_faithfulness(const std::filesystem::path& folder, const PreparedData& data, std::int64_t samples,
                               const BootstrapOptions& bootstrap);

}  // namespace pulmo::training
