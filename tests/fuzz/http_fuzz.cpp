#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "serving/http/connection.h"
#include "serving/http/request_reader.h"

namespace {

using namespace pulmo::serving;

// Small limits, so that short inputs reach them.
constexpr HttpLimits kLimits{
    .target_bytes = 64, .head_bytes = 512, .header_count = 8, .body_bytes = 4096, .idle_body_bytes = 64, .parts = 4};

/// What a reader makes of `input` in pieces of `piece` bytes: one word a request, and why it stopped.
std::vector<std::string> read_all(std::string_view input, std::size_t piece) {
  RequestReader reader(kLimits);
  std::vector<std::string> seen;
  while (!input.empty()) {
    std::string_view part = input.substr(0, piece);
    input.remove_prefix(part.size());
    while (!part.empty()) {
      part.remove_prefix(reader.feed(part));
      if (reader.status() == RequestReader::Status::kHeadComplete) reader.begin_body();
      if (reader.status() == RequestReader::Status::kComplete) {
        const HttpRequest request = reader.take();
        std::size_t bytes = request.body.size();
        for (const Part& file : request.parts) bytes += file.data.size();
        if (bytes > kLimits.body_bytes) std::abort();
        seen.push_back(request.head.method + " " + request.head.path + " " + std::to_string(bytes) + " " +
                       std::to_string(request.parts.size()));
      }
      if (reader.status() == RequestReader::Status::kRefused) {
        seen.push_back(reader.refusal().code());
        return seen;
      }
    }
  }
  return seen;
}

/// A client that sends `input` in pieces and leaves: whatever it was, the connection ends, and every reply was whole.
void talk(std::string_view input, std::size_t piece) {
  int pair[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) std::abort();
  const auto host = std::make_shared<ConnectionHost>();
  host->limits = kLimits;
  host->budget = std::make_shared<UploadBudget>(2048);
  host->next_request_id = [] { return std::string("id"); };
  host->wake_keeper = [] {};
  std::deque<std::function<void()>> tasks;
  host->run_later = [&tasks](std::function<void()> task) {
    tasks.push_back(std::move(task));
    return true;
  };
  const auto settle = [&tasks] {
    for (; !tasks.empty(); tasks.pop_front()) std::function<void()>(tasks.front())();
  };
  std::size_t replies = 0;
  host->handlers.admit = [](const RequestHead& head, const AdmissionInfo& info) -> std::optional<HttpResponse> {
    if (head.path != "/no") return std::nullopt;
    return error_response(404, "not_found", "no", info.id);
  };
  host->handlers.handle = [](const HttpRequest& /*request*/, const Responder& respond) { respond(HttpResponse{}); };
  host->handlers.observe = [&replies](const Exchange& /*exchange*/) { ++replies; };
  {
    const auto connection = std::make_shared<Connection>(pair[0], host);
    for (std::string_view rest = input; !rest.empty();) {
      connection->receive(rest.substr(0, piece));
      settle();
      rest.remove_prefix(std::min(piece, rest.size()));
    }
    connection->end_of_input();
    settle();
    if (!connection->closed() && connection->awaiting_write() < 0 && connection->busy()) std::abort();
  }
  ::close(pair[1]);
  if (host->budget->used_bytes() != 0) std::abort();
}

}  // namespace

/// Requests however they are cut: the same bytes mean the same requests, and the connection always comes to its end.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::size_t piece = data[0] % 64 + 1;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (read_all(input, input.size() + 1) != read_all(input, piece)) std::abort();
  if (read_all(input, piece) != read_all(input, 1)) std::abort();
  talk(input, piece);
  return 0;
}
