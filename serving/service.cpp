#include "serving/service.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

#include "core/model/explain.h"
#include "core/support/elapsed.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/processors.h"
#include "serving/isolation/priority.h"
#include "serving/owed_task.h"
#include "serving/preparation.h"
#include "serving/reasons.h"
#include "serving/stacked_prediction.h"

namespace pulmo::serving {

int worker_count(int wanted) {
  return wanted > 0 ? wanted : usable_processors();
}

/// One call of predict(): its uploads, of which some are under way, and their outcomes.
struct Service::Request {
  Request(std::shared_ptr<ServedModel> of_model, std::vector<Upload> all_uploads, const PredictOptions& wished,
          Done when_done)
      : model(std::move(of_model)),
        options(wished),
        done(std::move(when_done)),
        uploads(std::move(all_uploads)),
        outcomes_(uploads.size()),
        remaining_(uploads.size() + 1) {}

  /// Index of the upload whose turn it is; none once all have had theirs, or the request has failed or was cancelled.
  std::optional<std::size_t> take_turn() {
    const std::lock_guard lock(mutex_);
    if (!failure_ && options.progress && options.progress->cancelled) {
      failure_ = ServiceFailure{"cancelled", "the job was cancelled"};
    }
    if (failure_) {
      remaining_ -= uploads.size() - next_;
      next_ = uploads.size();
    }
    if (next_ == uploads.size()) return std::nullopt;
    return next_++;
  }
  /// `slices` are settled by it: of a stack all that it judges, and none of one that is only prepared.
  void store(std::size_t index, SliceOutcome outcome, std::size_t slices) {
    const std::lock_guard lock(mutex_);
    outcomes_[index] = std::move(outcome);
    if (options.progress) options.progress->done += slices;
  }
  void store_failure(std::string code, std::string message) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = ServiceFailure{std::move(code), std::move(message)};
  }
  /// After store() of a slice, and once by predict() when it has begun them; the last one answers.
  void end_one() {
    {
      const std::lock_guard lock(mutex_);
      if (--remaining_ > 0) return;
    }
    if (failure_) {
      done(std::move(*failure_));
    } else {
      done(std::move(outcomes_));
    }
  }

  const std::shared_ptr<ServedModel> model;
  const PredictOptions options;
  const Done done;
  std::vector<Upload> uploads;  ///< each is taken out when its turn comes

 private:
  std::mutex mutex_;
  std::size_t next_ = 0;  ///< upload whose turn comes next
  std::vector<SliceOutcome> outcomes_;
  std::optional<ServiceFailure> failure_;
  std::size_t remaining_;  ///< uploads without an outcome, and predict() itself
};

/// One slice on its way. At its end it hands its room to the next one of its request, or gives it back.
struct Service::Slice {
  Slice(Service& of_service, std::shared_ptr<Request> of_request, std::size_t upload_index)
      : service(of_service),
        request(std::move(of_request)),
        index(upload_index),
        upload(std::move(request->uploads[index])),
        begin(Clock::now()),
        deadline(begin + service.options_.deadline) {
    request->model->batcher().expect(1);
  }
  ~Slice() {
    if (announced) request->model->batcher().expect(-1);
    if (holds_room) service.give_room_back(request->options.room);  // dropped on its way
  }
  Slice(const Slice&) = delete;
  Slice& operator=(const Slice&) = delete;

  void settle(SliceOutcome outcome) {
    const bool open = request->options.prepare_only && std::holds_alternative<Prediction>(outcome);
    request->store(index, std::move(outcome), open ? 0 : upload.slices);
    leave();
  }
  void fail(std::string code, std::string message) {
    request->store_failure(std::move(code), std::move(message));
    leave();
  }
  // The room is free before the client hears of it: its next request must find it.
  void leave() {
    holds_room = false;
    service.go_on(request);
    request->end_one();
  }

  Service& service;
  const std::shared_ptr<Request> request;
  const std::size_t index;
  Upload upload;
  const Clock::time_point begin;
  const Clock::time_point deadline;
  bool announced = true;   ///< the batcher waits for it
  bool holds_room = true;  ///< it is in progress
  bool prepared = false;   ///< came as a sample: nothing is known of a picture
  bool composed = false;   ///< a stack: its slices are counted one by one when they are judged
  Prediction prediction;
};

Service::Service(ModelRepository& models, const ServiceOptions& options, Metrics& metrics)
    : models_(models),
      options_(options),
      decoder_(options.decoder ? options.decoder : std::make_shared<const Decoder>(options.decode)),
      metrics_(metrics),
      pool_(worker_count(options.workers), [] { lower_priority(kPreparationNiceness); }) {}

Service::~Service() {
  close();
}

void Service::close() {
  pool_.close();
  models_.close();
}

void Service::run(std::function<void()> task, std::function<void()> dropped) {
  pool_.submit(owed(std::move(task), std::move(dropped)));
}

bool Service::has_room() const {
  return queue_used_.load() < options_.capacity;
}

bool Service::take_room(Room room, std::size_t slices) {
  if (room == Room::kQueue) {
    std::size_t used = queue_used_.load();
    do {
      if (slices > options_.capacity || used > options_.capacity - slices) return false;
    } while (!queue_used_.compare_exchange_weak(used, used + slices));
  } else if (room == Room::kQueueOrNot) {
    queue_used_ += slices;
  }
  in_progress_ += slices;
  return true;
}

void Service::give_room_back(Room room) {
  --in_progress_;
  if (room != Room::kOwn) --queue_used_;
}

void Service::predict(std::shared_ptr<ServedModel> model, std::vector<Upload> uploads, const PredictOptions& options,
                      Done done) {
  const bool of_volumes = model->metadata().depth > 0 && !options.prepare_only;
  const auto is_sample = [](const Upload& upload) { return upload.compose || !upload.sample.empty(); };
  if (of_volumes && !std::all_of(uploads.begin(), uploads.end(), is_sample)) {
    predict_stacks(*this, std::move(model), std::move(uploads), options, std::move(done));
    return;
  }
  const std::size_t at_once = std::min({uploads.size(), options_.per_request, options_.capacity});
  if (!take_room(options.room, at_once)) {
    done(ServiceFailure{"queue_full", "the server is busy: try again in a moment"});
    return;
  }
  const auto request = std::make_shared<Request>(std::move(model), std::move(uploads), options, std::move(done));
  for (std::size_t i = 0; i < at_once; ++i) go_on(request);
  request->end_one();
}

/// Begins the next slice of the request in room that is held already; without one the room is given back.
void Service::go_on(const std::shared_ptr<Request>& request) {
  const auto turn = request->take_turn();
  if (!turn) {
    give_room_back(request->options.room);
    return;
  }
  const auto slice = std::make_shared<Slice>(*this, request, *turn);
  run([this, slice] { prepare(slice); }, [slice] { slice->fail("shutting_down", "the server is shutting down"); });
}

void Service::prepare(const std::shared_ptr<Slice>& slice) {
  try {
    const Upload& upload = slice->upload;
    const bool is_picture = !upload.refused && !upload.compose && upload.sample.empty();
    if (is_picture && !slice->request->options.prepare_only) slice->request->model->batcher().wait_for_pause();
    if (Clock::now() > slice->deadline) {
      slice->fail("deadline", "the server is busy: the slice waited too long; try again");
      return;
    }
    slice->prediction.times.wait_s = seconds_since(slice->begin);
    metrics_.observe_stage(Stage::kWait, slice->prediction.times.wait_s);
    if (const auto& refused = slice->upload.refused) throw InvalidInput(refused->code, refused->message);
    slice->composed = static_cast<bool>(slice->upload.compose);
    if (slice->composed) slice->upload.sample = slice->upload.compose();
    std::vector<std::uint16_t> ready = std::move(slice->upload.sample);
    slice->prepared = !ready.empty();
    if (!slice->prepared) ready = decode_and_preprocess(*slice);
    if (slice->request->options.prepare_only) {
      slice->prediction.sample = std::move(ready);
      slice->settle(std::move(slice->prediction));
    } else {
      submit(slice, std::move(ready));
    }
  } catch (const InvalidInput& error) {
    refuse(*slice, std::string(slice_code(error.reason())), error.what());
  } catch (const DecoderUnavailable& error) {
    log_error("a slice could not be decoded", {{"error", error.what()}});
    slice->fail("decoder_unavailable", "the server cannot decode pictures at the moment: try again");
  } catch (const std::exception& error) {
    log_error("a slice could not be prepared", {{"error", error.what()}});
    slice->fail("internal", "internal error: see the server's log");
  }
}

std::vector<std::uint16_t> Service::decode_and_preprocess(Slice& slice) {
  const BundleMetadata& metadata = slice.request->model->metadata();
  Prediction& prediction = slice.prediction;
  const PreparedSlice made = prepare_slice(slice.upload, *decoder_, metadata.spec, prediction.place);
  metrics_.observe_stage(Stage::kDecode, made.decode_s);
  metrics_.observe_stage(Stage::kPreprocess, made.preprocess_s);
  describe(made, slice.upload.name, metadata, prediction);
  if (slice.index < slice.request->options.previews) draw(made, metadata.spec, prediction);
  std::vector<std::uint16_t> sample = std::move(batch_of(made.ready.image, metadata.channels).pixels);
  prediction.input = input_statistics(sample, metadata.spec.mask);
  return sample;
}

void Service::submit(const std::shared_ptr<Slice>& slice, std::vector<std::uint16_t> pixels) {
  slice->announced = false;  // submit() takes the announcement back, whatever it answers
  Batcher& batcher = slice->request->model->batcher();
  const auto answer = batcher.submit(std::move(pixels), slice->deadline,
                                     [this, slice](const BatchOutcome& outcome) { finish(slice, outcome); });
  if (answer == Batcher::Submitted::kFull) slice->fail("queue_full", "the server is busy: try again");
  if (answer == Batcher::Submitted::kClosed) slice->fail("shutting_down", "the server is shutting down");
}

void Service::finish(const std::shared_ptr<Slice>& slice, const BatchOutcome& outcome) {
  if (const auto* result = std::get_if<BatchResult>(&outcome)) {
    succeed(*slice, *result);
    return;
  }
  switch (std::get<BatchFailure>(outcome)) {
    case BatchFailure::kDeadline:
      slice->fail("deadline", "the server is busy: the slice waited too long; try again");
      break;
    case BatchFailure::kClosed: slice->fail("shutting_down", "the server is shutting down"); break;
    case BatchFailure::kModel: slice->fail("model_failed", "the model failed: see the server's log"); break;
  }
}

void Service::succeed(Slice& slice, const BatchResult& result) {
  const BundleMetadata& metadata = slice.request->model->metadata();
  Prediction& prediction = slice.prediction;
  prediction.times.queue_s = result.queue_s;
  prediction.times.infer_s = result.infer_s;
  judge(metadata, result.probabilities, prediction);
  metrics_.observe_stage(Stage::kQueue, result.queue_s);
  ModelMetrics& model_metrics = slice.request->model->metrics();
  if (!slice.composed) model_metrics.count_prediction(prediction.class_name);
  const std::size_t positive = positive_index(metadata);
  if (positive < result.probabilities.size() && !slice.prepared) {
    model_metrics.observe_slice(result.probabilities[positive], prediction.input);
  }
  slice.settle(std::move(prediction));
}

void Service::count_failed_job(const std::string& code) {
  if (code == "cancelled" || status_of(code) == 422) return;  // what was refused was counted slice by slice
  metrics_.count_rejection(code);
  log_warning("job failed", {{"code", code}});
}

void Service::refuse(Slice& slice, const std::string& code, const std::string& message) {
  metrics_.count_rejection(code);
  slice.settle(SliceFailure{slice.upload.name, code, message, slice.prediction.place});
}

}  // namespace pulmo::serving
