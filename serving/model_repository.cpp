#include "serving/model_repository.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "core/support/error.h"
#include "core/support/log.h"
#include "serving/owed_task.h"

namespace pulmo::serving {
namespace {

/// The first line: what libraries throw goes on with their own stack.
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

ModelRepository::ModelRepository(RepositoryOptions options, LoadPredictor load, Metrics& metrics)
    : options_(std::move(options)),
      load_(std::move(load)),
      metrics_(metrics),
      worker_(std::make_shared<ThreadPool>(1)) {}

ModelRepository::~ModelRepository() {
  close();
}

std::vector<ModelSource> ModelRepository::sources() const {
  if (!options_.folder.empty()) return find_models(options_.folder);
  if (options_.bundle.empty()) return {};
  return {{"", "", options_.bundle}};
}

void ModelRepository::load_all() {
  const std::lock_guard change(change_mutex_);
  const std::vector<ModelSource> found = sources();
  if (found.empty()) {
    throw InvalidInput(
        "models", "no model in " + options_.folder.string() + ": it needs NAME/bundle.pt or NAME/VERSION/bundle.pt");
  }
  for (const ModelSource& source : found) refresh(source);
  const std::vector<IndexEntry> all = index();
  if (std::none_of(all.begin(), all.end(), [](const IndexEntry& entry) { return entry.ready; })) {
    throw InvalidInput("models", all.front().reason);
  }
  move_default();
  const std::lock_guard lock(mutex_);
  if (!options_.default_model.empty()) default_ = options_.default_model;
  if (std::none_of(entries_.begin(), entries_.end(), [this](const Entry& e) { return e.source.name == default_; })) {
    throw InvalidInput("configuration", "models.default: there is no model " + default_);
  }
}

void ModelRepository::reload_changed() {
  const std::lock_guard change(change_mutex_);
  std::vector<ModelSource> found;
  try {
    found = sources();
  } catch (const std::exception& error) {
    log_error("the models cannot be looked for", {{"error", error.what()}});
    return;
  }
  drop_vanished(found, "");
  for (const ModelSource& source : found) {
    const std::vector<std::int64_t> stamp = stamp_of(source.bundle);
    if (wants_refresh(source, stamp)) refresh(source);
  }
  move_default();
}

/// To the first by name that answers, where the one that was it does not. One that is configured stays.
void ModelRepository::move_default() {
  const std::lock_guard lock(mutex_);
  if (!options_.default_model.empty() || answers(default_)) return;
  const auto first =
      std::find_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.model != nullptr; });
  if (first == entries_.end()) return;
  default_ = first->source.name;
  log_info("default model", {{"name", default_}});
}

/// With the lock held.
bool ModelRepository::answers(const std::string& name) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.model != nullptr && entry.source.name == name; });
}

void ModelRepository::load(const std::string& name) {
  const std::lock_guard change(change_mutex_);
  const std::vector<ModelSource> found = sources();
  drop_vanished(found, name);
  std::string failures;
  bool any = false;
  for (const ModelSource& source : found) {
    if (name_of(source) != name) continue;
    any = true;
    const std::string why = refresh(source);
    if (!why.empty()) failures += (failures.empty() ? "" : "; ") + why;
  }
  move_default();
  if (!any) throw InvalidInput("unknown_model", "no model " + name + " in the repository");
  if (!failures.empty()) throw InvalidInput("load_failed", "failed to load " + name + ": " + failures);
}

void ModelRepository::unload(const std::string& name) {
  const std::lock_guard change(change_mutex_);
  std::vector<std::shared_ptr<ServedModel>> gone;  // released without the lock
  bool any = false;
  {
    const std::lock_guard lock(mutex_);
    for (Entry& entry : entries_) {
      if (entry.source.name != name) continue;
      any = true;
      gone.push_back(std::exchange(entry.model, nullptr));
      entry.unloaded = true;
      entry.reason = "unloaded";
    }
  }
  if (!any) throw InvalidInput("unknown_model", "no model " + name + " in the repository");
  tell_metrics();
  log_info("model unloaded", {{"name", name}});
  move_default();
}

void ModelRepository::install(const std::string& name, const std::string& version,
                              const std::shared_ptr<const Predictor>& predictor) {
  const std::lock_guard change(change_mutex_);
  put({name, version, "installed/" + name + "/" + version}, predictor, {});
  move_default();
}

/// Drops the versions (of `name`, or of all) whose bundles are no longer there.
void ModelRepository::drop_vanished(const std::vector<ModelSource>& found, const std::string& name) {
  std::vector<Entry> gone;  // released without the lock
  {
    const std::lock_guard lock(mutex_);
    const auto stays = [&](const Entry& entry) {
      if (entry.stamp.empty() || (!name.empty() && entry.source.name != name)) return true;
      return std::any_of(found.begin(), found.end(),
                         [&](const ModelSource& source) { return source.bundle == entry.source.bundle; });
    };
    const auto first = std::stable_partition(entries_.begin(), entries_.end(), stays);
    std::move(first, entries_.end(), std::back_inserter(gone));
    entries_.erase(first, entries_.end());
  }
  for (const Entry& entry : gone) {
    log_info("model gone from the disk", {{"name", entry.source.name}, {"version", entry.version}});
  }
  if (!gone.empty()) tell_metrics();
}

/// New, changed, or failed before; an unloaded one waits until it is loaded by name.
bool ModelRepository::wants_refresh(const ModelSource& source, const std::vector<std::int64_t>& stamp) const {
  const std::lock_guard lock(mutex_);
  const Entry* entry = find_entry(source.bundle);
  if (entry == nullptr) return true;
  return !entry->unloaded && (!entry->reason.empty() || entry->stamp != stamp);
}

/// A single bundle has the name that it told when it was loaded.
std::string ModelRepository::name_of(const ModelSource& source) const {
  if (!source.name.empty()) return source.name;
  const std::lock_guard lock(mutex_);
  const Entry* entry = find_entry(source.bundle);
  return entry == nullptr ? "" : entry->source.name;
}

/// Loads one bundle aside and puts it in place; else all stays as it is, and the reason is kept and returned.
std::string ModelRepository::refresh(const ModelSource& source) {
  const std::vector<std::int64_t> stamp = stamp_of(source.bundle);  // before it is read: a later change is seen later
  std::string why;
  try {
    put(source, load_checked(source.bundle, load_, options_.batch.max_batch), stamp);
    metrics_.count_load(true);
    return "";
  } catch (const std::exception& error) {
    why = first_line(error.what());
  }
  metrics_.count_load(false);
  log_error("a model could not be loaded", {{"name", source.name}, {"error", why}});
  const std::lock_guard lock(mutex_);
  Entry& entry = entry_of(source);
  entry.stamp = stamp;
  entry.reason = why;
  return why;
}

void ModelRepository::put(const ModelSource& source, const std::shared_ptr<const Predictor>& predictor,
                          const std::vector<std::int64_t>& stamp) {
  const BundleMetadata& metadata = predictor->metadata();
  ModelSource named = source;
  if (named.name.empty()) named.name = metadata.row;
  const std::string version = named.version.empty() ? metadata.version : named.version;
  std::shared_ptr<ServedModel> model = make_model(named.name, version, predictor);
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& other : entries_) {
      if (other.source.bundle != source.bundle && other.source.name == named.name && other.version == version) {
        throw InvalidInput("bundle", "bundle " + source.bundle.string() + ": " + named.name + " has a version " +
                                         version + " already, in " + other.source.bundle.string());
      }
    }
    Entry& entry = entry_of(source);
    entry.source = named;
    entry.version = version;
    entry.stamp = stamp;
    entry.reason.clear();
    entry.unloaded = false;
    if (!options_.bundle.empty()) default_ = named.name;
    if (!closed_) entry.model.swap(model);  // the one step; the old one is released without the lock
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      if (a.source.name != b.source.name) return a.source.name < b.source.name;
      return is_older_version(a.version, b.version);
    });
  }
  tell_metrics();
  log_info("model", {{"name", named.name},
                     {"version", version},
                     {"sha256", predictor->sha256()},
                     {"phantom", metadata.phantom ? "true" : "false"}});
}

/// Whoever lets go of a model last may be its batcher's own thread, which cannot wait for itself: models end on the
/// repository's thread.
std::shared_ptr<ServedModel> ModelRepository::make_model(const std::string& name, const std::string& version,
                                                         std::shared_ptr<const Predictor> predictor) {
  const auto model_metrics = metrics_.add_model(name, version, predictor->metadata());
  const auto observe = [&metrics = metrics_, model_metrics](std::size_t size, double seconds) {
    model_metrics->observe_batch(size);
    metrics.observe_stage(Stage::kInfer, seconds);
  };
  auto made =
      std::make_unique<ServedModel>(name, version, std::move(predictor), options_.batch, observe, model_metrics);
  std::shared_ptr<ServedModel> model(made.release(), [worker = worker_](ServedModel* last) {
    worker->submit([owned = std::shared_ptr<ServedModel>(last)] {});
  });
  const std::lock_guard lock(mutex_);
  std::erase_if(alive_, [](const std::weak_ptr<ServedModel>& one) { return one.expired(); });
  alive_.push_back(model);
  return model;
}

ModelRepository::Entry& ModelRepository::entry_of(const ModelSource& source) {
  for (Entry& entry : entries_) {
    if (entry.source.bundle == source.bundle) return entry;
  }
  entries_.push_back({source, source.version, {}, nullptr, "", false});
  return entries_.back();
}

const ModelRepository::Entry* ModelRepository::find_entry(const std::filesystem::path& bundle) const {
  for (const Entry& entry : entries_) {
    if (entry.source.bundle == bundle) return &entry;
  }
  return nullptr;
}

void ModelRepository::tell_metrics() const {
  std::vector<ModelLabels> labels;
  for (const auto& model : models()) {
    labels.push_back({model->name(), model->version(), model->sha256()});
  }
  metrics_.set_models(labels);
}

std::shared_ptr<ServedModel> ModelRepository::find(std::string_view name, std::string_view version) const {
  const std::lock_guard lock(mutex_);
  const std::string_view wanted = name.empty() ? std::string_view(default_) : name;
  std::shared_ptr<ServedModel> newest;
  for (const Entry& entry : entries_) {  // older versions first
    if (entry.model == nullptr || entry.source.name != wanted) continue;
    if (version.empty() || entry.version == version) newest = entry.model;
  }
  return newest;
}

bool ModelRepository::knows(std::string_view name, std::string_view version) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.source.name == name && (version.empty() || entry.version == version);
  });
}

std::vector<std::shared_ptr<ServedModel>> ModelRepository::models() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ServedModel>> ready;
  for (const Entry& entry : entries_) {
    if (entry.model != nullptr) ready.push_back(entry.model);
  }
  return ready;
}

std::vector<IndexEntry> ModelRepository::index() const {
  const std::lock_guard lock(mutex_);
  std::vector<IndexEntry> index;
  for (const Entry& entry : entries_) {
    index.push_back({entry.source.name, entry.version, entry.model != nullptr, entry.reason});
  }
  return index;
}

std::string ModelRepository::default_model() const {
  const std::lock_guard lock(mutex_);
  return default_;
}

bool ModelRepository::ready() const {
  const std::lock_guard lock(mutex_);
  const auto missing = [](const Entry& entry) { return entry.model == nullptr && !entry.unloaded; };
  return std::none_of(entries_.begin(), entries_.end(), missing) && answers(default_);
}

void ModelRepository::later(std::function<void()> task, std::function<void()> dropped) {
  worker_->submit(owed(std::move(task), std::move(dropped)));
}

std::size_t ModelRepository::queue_depth() const {
  std::vector<std::shared_ptr<ServedModel>> held;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& one : alive_) held.push_back(one.lock());
  }
  std::size_t depth = 0;
  for (const auto& model : held) depth += model == nullptr ? 0 : model->batcher().depth();
  return depth;
}

void ModelRepository::close() {
  std::vector<std::shared_ptr<ServedModel>> held;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& one : alive_) held.push_back(one.lock());
  }
  // Every thread that could let go of a model within its own batcher ends here, before the worker does.
  for (const auto& model : held) {
    if (model != nullptr) model->batcher().close();
  }
  worker_->close();
}

}  // namespace pulmo::serving
