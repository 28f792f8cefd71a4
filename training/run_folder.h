#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "training/checkpoint.h"
#include "training/communicator.h"

namespace pulmo::training {

/// Makes the folder of a run ready: creates it, and with `fresh` removes what an earlier run left. Collective, rank 0
/// acts. Throws IoError.
void open_run_folder(const std::filesystem::path& folder, bool fresh, const Communicator& communicator);

/// The newest checkpoint of a run of this identity, for all ranks; nothing when the folder has none. Throws
/// InvalidInput("checkpoint") when the folder holds another run, naming --fresh. Collective.
std::optional<Checkpoint> find_resumable(const CheckpointStore& store, const std::string& identity,
                                         const std::filesystem::path& folder, const Communicator& communicator);

}  // namespace pulmo::training
