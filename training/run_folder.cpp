#include "training/run_folder.h"

#include <set>
#include <string>

#include "core/support/atomic_file.h"
#include "core/support/error.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;

void prepare(const fs::path& folder, bool fresh) {
  const std::set<std::string> files{"config.yaml",  "log.jsonl",    "bundle.pt",
                                    "candidate.pt", "metrics.json", "predictions.csv"};
  const CheckpointStore checkpoints(folder / "checkpoints", 1);
  make_writable_directory(folder);
  remove_abandoned(folder, files);
  checkpoints.remove_abandoned();
  if (!fresh) return;
  checkpoints.clear();
  fs::remove_all(folder / "tensorboard");
  for (const std::string& name : files) fs::remove(folder / name);
}

}  // namespace

void open_run_folder(const fs::path& folder, bool fresh, const Communicator& communicator) {
  communicator.together([&] {
    if (!communicator.is_root()) return;
    try {
      prepare(folder, fresh);
    } catch (const fs::filesystem_error& error) {
      throw IoError("cannot prepare the run folder " + folder.string() + ": " + error.code().message());
    }
  });
}

std::optional<Checkpoint> find_resumable(const CheckpointStore& store, const std::string& identity,
                                         const fs::path& folder, const Communicator& communicator) {
  std::optional<Checkpoint> checkpoint = load_newest(store, communicator);
  communicator.together([&] {
    if (!checkpoint || checkpoint->identity == identity) return;
    throw InvalidInput("checkpoint", folder.string() +
                                         ": holds checkpoints of a run with another configuration or other data; " +
                                         "give another --output, or --fresh to start anew here");
  });
  return checkpoint;
}

}  // namespace pulmo::training
