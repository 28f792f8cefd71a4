#include "serving/explain_route.h"

#include <memory>
#include <utility>
#include <vector>

#include "serving/order.h"
#include "serving/replies.h"

namespace pulmo::serving {
namespace {

ExplainMethod method_of(const RequestHead& head) {
  const std::string name = value_of(head, "method");
  const auto method = parse_explain_method(name.empty() ? "auto" : name);
  if (!method) throw HttpRefusal(400, "bad_parameter", "method is auto, grad_cam, integrated_gradients or occlusion");
  return *method;
}

/// Of a model of volumes no more slices than make one; of any other a single one.
void require_at_once(std::size_t slices, std::int64_t depth) {
  if (slices == 1 || slices <= static_cast<std::size_t>(depth)) return;
  const std::string holds = ": this request holds " + std::to_string(slices);
  if (depth == 0) throw HttpRefusal(400, "one_slice", "one slice is explained at a time" + holds);
  throw HttpRefusal(400, "one_stack",
                    "a stack of " + std::to_string(depth) + " slices at most is explained at a time" + holds);
}

void begin_explanation(const ExplainContext& context, const std::shared_ptr<Order>& order, const Responder& respond) {
  std::vector<Upload> files = take_files(*order, context.limits);
  require_at_once(files.size(), order->model->metadata().depth);
  context.explainer.explain(order->model, std::move(files), method_of(order->http.head),
                            [order, respond](const Answer& answer) {
                              HttpResponse response = reply_of(answer, *order);
                              order->http.lease.reset();
                              respond(std::move(response));
                            });
}

void answer_explain(const ExplainContext& context, HttpRequest request, const Responder& respond) {
  const auto order = std::make_shared<Order>();
  order->http = std::move(request);
  begin_order(context.service, order->http, respond, [&context, order, respond] {
    order->model = model_for_files(context.service.models(), order->http.head);
    begin_explanation(context, order, respond);
  });
}

std::optional<HttpResponse> admit_explain(const ExplainContext& context, const RequestHead& head,
                                          const AdmissionInfo& info) {
  return refused_by(info, [&] {
    check_upload_head(context.service, head, info);
    method_of(head);
    if (!context.explainer.has_room()) {
      throw HttpRefusal(503, "queue_full", "the server is busy explaining: try again in a moment");
    }
  });
}

}  // namespace

void add_explain_route(Router& router, const ExplainContext& context) {
  const auto shared = std::make_shared<const ExplainContext>(context);
  router.add(
      "POST", "/v1/explain",
      [shared](HttpRequest request, const auto&, const Responder& respond) {
        answer_explain(*shared, std::move(request), respond);
      },
      [shared](const RequestHead& head, const AdmissionInfo& info) { return admit_explain(*shared, head, info); });
}

}  // namespace pulmo::serving
