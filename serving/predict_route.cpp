#include "serving/predict_route.h"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "serving/order.h"
#include "serving/prediction_json.h"
#include "serving/replies.h"

namespace pulmo::serving {
namespace {

constexpr std::size_t kQuicklyTold = 16;  // outcomes whose document is made where they came together

/// Tells an answer to whom it is for: on the pool when that takes time, which the model's own thread must not lose.
void tell(Service& service, Answer answer, std::function<void(const Answer& answer)> listener) {
  const auto* outcomes = std::get_if<std::vector<SliceOutcome>>(&answer);
  const bool quick = outcomes == nullptr || outcomes->size() <= kQuicklyTold;
  const auto shared = std::make_shared<const Answer>(std::move(answer));
  const auto told = [shared, listener] { listener(*shared); };
  if (quick) {
    told();
  } else {
    service.run(told, told);  // it is known: when the service ends, on the thread that ends it
  }
}

void end_job(Service& service, Jobs& jobs, const std::string& id, const Answer& answer, Order& order) {
  auto document = document_of(answer, order);
  order.http.lease.reset();
  if (auto* body = std::get_if<std::string>(&document)) {
    if (!jobs.finish(id, std::move(*body))) service.count_failed_job("too_large");
  } else {
    auto& failure = std::get<ServiceFailure>(document);
    service.count_failed_job(failure.code);
    jobs.fail(id, {std::move(failure.code), std::move(failure.message)});
  }
}

void run_as_job(const PredictContext& context, const std::shared_ptr<Order>& order, std::vector<Upload> files,
                PredictOptions options, const Responder& respond) {
  options.progress = std::make_shared<Progress>();
  options.progress->total = files.size();
  options.room = Room::kOwn;  // at most jobs.at_once run
  const auto held = std::make_shared<std::vector<Upload>>(std::move(files));
  Jobs& jobs = context.jobs;
  const auto begin = [&service = context.service, &jobs, order, held, options](const std::string& id) {
    service.predict(order->model, std::move(*held), options, [&service, &jobs, order, id](Answer answer) {
      tell(service, std::move(answer),
           [&service, &jobs, order, id](const Answer& told) { end_job(service, jobs, id, told, *order); });
    });
  };
  const auto status = jobs.add(options.progress, begin);
  if (!status && jobs.closed()) {
    respond(refusal_reply("shutting_down", "the server is shutting down: send it again", order->http.id));
    return;
  }
  if (!status) {
    respond(refusal_reply("too_many_jobs", "the server keeps as many jobs as it may: try again later", order->http.id));
    return;
  }
  HttpResponse response = json_reply(job_json(*status));
  response.status = 202;
  response.headers.push_back({"Location", "/v1/jobs/" + status->id});
  response.headers.push_back({"Retry-After", "1"});
  respond(std::move(response));
}

void begin_prediction(const PredictContext& context, const std::shared_ptr<Order>& order, const Responder& respond) {
  std::vector<Upload> files = take_files(*order, context.limits);
  PredictOptions options;
  if (order->wishes.preview) options.previews = context.limits.previews;
  if (order->wishes.later) {
    run_as_job(context, order, std::move(files), options, respond);
    return;
  }
  Service& service = context.service;
  service.predict(order->model, std::move(files), options, [&service, order, respond](Answer answer) {
    tell(service, std::move(answer), [order, respond](const Answer& told) {
      HttpResponse response = reply_of(told, *order);
      order->http.lease.reset();  // the budget is free before the client hears of it
      respond(std::move(response));
    });
  });
}

void answer_predict(const PredictContext& context, HttpRequest request, const Responder& respond) {
  const auto order = std::make_shared<Order>();
  order->http = std::move(request);
  begin_order(context.service, order->http, respond, [&context, order, respond] {
    order->model = model_for_files(context.service.models(), order->http.head);
    order->wishes = wishes_of(order->http.head);
    begin_prediction(context, order, respond);
  });
}

std::optional<HttpResponse> admit_predict(const PredictContext& context, const RequestHead& head,
                                          const AdmissionInfo& info) {
  return refused_by(info, [&] {
    check_upload_head(context.service, head, info);
    if (!wishes_of(head).later && !context.service.has_room()) {
      throw HttpRefusal(503, "queue_full", "the server is busy: try again in a moment");
    }
  });
}

HttpResponse job_reply(const std::optional<JobStatus>& status, const std::string& request_id) {
  if (status) return json_reply(job_json(*status));
  return refusal_reply("unknown_job", "there is no such job, or its result is no longer kept", request_id);
}

void add_job_routes(Router& router, Jobs& jobs) {
  router.add("GET", "/v1/jobs/{id}",
             [&jobs](const HttpRequest& request, const Router::PathValues& values, const Responder& respond) {
               respond(job_reply(jobs.find(values.at("id")), request.id));
             });
  router.add("DELETE", "/v1/jobs/{id}",
             [&jobs](const HttpRequest& request, const Router::PathValues& values, const Responder& respond) {
               respond(job_reply(jobs.cancel(values.at("id")), request.id));
             });
}

}  // namespace

void add_predict_routes(Router& router, const PredictContext& context) {
  const auto shared = std::make_shared<const PredictContext>(context);
  router.add(
      "POST", "/v1/predict",
      [shared](HttpRequest request, const auto&, const Responder& respond) {
        answer_predict(*shared, std::move(request), respond);
      },
      [shared](const RequestHead& head, const AdmissionInfo& info) { return admit_predict(*shared, head, info); });
  add_job_routes(router, context.jobs);
}

}  // namespace pulmo::serving
