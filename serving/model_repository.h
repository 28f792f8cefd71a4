#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "serving/metrics.h"
#include "serving/model_folder.h"
#include "serving/served_model.h"
#include "serving/thread_pool.h"

namespace pulmo::serving {

struct RepositoryOptions {
  std::filesystem::path bundle;  ///< one bundle, served under the name and version that it tells; or
  std::filesystem::path folder;  ///< a folder of models, see find_models()
  std::string default_model;     ///< answers requests without a name; empty: the first by name that is loaded
  bool control = false;          ///< whether clients may load and unload
  BatcherOptions batch;          ///< of each model version
};

/// A version in the index (Triton's model repository extension).
struct IndexEntry {
  std::string name;
  std::string version;  ///< empty when its bundle never told
  bool ready = false;
  std::string reason;  ///< why it is not ready, or why its last reload failed while the one before still serves
};

/// The models of a server. Each version is loaded aside, tried, and then put in place in one step; a load that fails
/// leaves what serves serving. Files are looked at when asked to, never on a timer. Thread-safe.
class ModelRepository {
 public:
  /// `metrics` must outlive the repository.
  ModelRepository(RepositoryOptions options, LoadPredictor load, Metrics& metrics);
  ~ModelRepository();  ///< close()
  ModelRepository(const ModelRepository&) = delete;
  ModelRepository& operator=(const ModelRepository&) = delete;

  /// Loads all there is, at the start. A bundle that cannot be loaded is logged and stands in the index; throws
  /// InvalidInput or IoError when none can, or the default model does not exist.
  void load_all();
  /// Loads what is new, changed on disk or failed before, drops what is gone, and leaves unloaded models unloaded.
  /// Failures are logged and stand in the index.
  void reload_changed();
  /// Loads or reloads every version of a model. Throws InvalidInput("unknown_model") when there is none, and
  /// InvalidInput("load_failed") with the reasons when a version could not be loaded.
  void load(const std::string& name);
  /// Takes all versions of a model out of service; requests under way still end on them. Throws
  /// InvalidInput("unknown_model").
  void unload(const std::string& name);
  /// Puts a predictor in place as that version.
  void install(const std::string& name, const std::string& version, const std::shared_ptr<const Predictor>& predictor);

  /// The model of that name (empty: the default one) and version (empty: the newest ready one); null when it is not
  /// ready or unknown.
  std::shared_ptr<ServedModel> find(std::string_view name, std::string_view version = {}) const;
  /// Whether the index has that name and (unless empty) version, ready or not.
  bool knows(std::string_view name, std::string_view version = {}) const;
  /// Every version that is ready, by name, older versions first.
  std::vector<std::shared_ptr<ServedModel>> models() const;
  std::vector<IndexEntry> index() const;
  /// Where none is configured it stays the same while that one answers, then is the first by name that does.
  std::string default_model() const;
  /// Whether every version that was not unloaded answers, and the default model does.
  bool ready() const;

  /// Runs a load on the repository's own thread, in order; `dropped` in its place when close() comes before.
  void later(std::function<void()> task, std::function<void()> dropped = {});
  /// Samples that wait in the batchers, those of replaced models too.
  std::size_t queue_depth() const;
  /// Closes all batchers: what waits there fails. Idempotent.
  void close();

  const RepositoryOptions& options() const { return options_; }

 private:
  struct Entry {
    ModelSource source;
    std::string version;  ///< as served; empty before the first success
    std::vector<std::int64_t> stamp;
    std::shared_ptr<ServedModel> model;
    std::string reason;
    bool unloaded = false;
  };

  std::vector<ModelSource> sources() const;
  void move_default();
  bool answers(const std::string& name) const;
  void drop_vanished(const std::vector<ModelSource>& found, const std::string& name);
  bool wants_refresh(const ModelSource& source, const std::vector<std::int64_t>& stamp) const;
  std::string name_of(const ModelSource& source) const;
  std::string refresh(const ModelSource& source);
  void put(const ModelSource& source, const std::shared_ptr<const Predictor>& predictor,
           const std::vector<std::int64_t>& stamp);
  std::shared_ptr<ServedModel> make_model(const std::string& name, const std::string& version,
                                          std::shared_ptr<const Predictor> predictor);
  Entry& entry_of(const ModelSource& source);
  const Entry* find_entry(const std::filesystem::path& bundle) const;
  void tell_metrics() const;

  const RepositoryOptions options_;
  const LoadPredictor load_;
  Metrics& metrics_;
  std::mutex change_mutex_;     ///< one change of the table at a time; taken before mutex_
  mutable std::mutex mutex_;    ///< of all below
  std::vector<Entry> entries_;  ///< by name, older versions first
  std::string default_;
  bool closed_ = false;
  std::vector<std::weak_ptr<ServedModel>> alive_;  ///< all that may still hold a batcher's thread
  const std::shared_ptr<ThreadPool> worker_;       ///< loads, and ends models
};

}  // namespace pulmo::serving
