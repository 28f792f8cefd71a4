#include "training/watch/metrics_listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <system_error>

#include "core/support/error.h"

namespace pulmo::training {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{2};  // with one client
constexpr std::size_t kLongestRequest = 8192;
constexpr int kBacklog = 16;

int left_ms(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::max<long long>(0, left));
}

bool wait_for(int socket, short events, Clock::time_point deadline) {
  pollfd one{socket, events, 0};
  return ::poll(&one, 1, left_ms(deadline)) == 1;
}

// Up to the empty line; shorter when the client says no more.
std::string read_head(int socket, Clock::time_point deadline) {
  std::string head;
  std::array<char, 2048> part{};
  while (head.find("\r\n\r\n") == std::string::npos && head.size() < kLongestRequest) {
    if (!wait_for(socket, POLLIN, deadline)) break;
    const ssize_t count = ::recv(socket, part.data(), part.size(), MSG_DONTWAIT);
    if (count <= 0) break;
    head.append(part.data(), static_cast<std::size_t>(count));
  }
  return head;
}

void send_all(int socket, const std::string& reply, Clock::time_point deadline) {
  for (std::size_t sent = 0; sent < reply.size();) {
    if (!wait_for(socket, POLLOUT, deadline)) return;
    const ssize_t count = ::send(socket, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

std::string reply_of(const std::string& status, const std::string& type, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

std::string answer(const std::string& head, const std::function<std::string()>& text) {
  const std::string plain = "text/plain; charset=utf-8";
  const std::string line = head.substr(0, head.find("\r\n"));
  const auto method_end = line.find(' ');
  const auto target_end = line.find(' ', method_end == std::string::npos ? method_end : method_end + 1);
  const bool whole = head.find("\r\n\r\n") != std::string::npos;
  if (!whole || target_end == std::string::npos || line.compare(target_end + 1, 5, "HTTP/") != 0) {
    return reply_of("400 Bad Request", plain, "not an HTTP request\n");
  }
  const std::string target = line.substr(method_end + 1, target_end - method_end - 1);
  if (target.substr(0, target.find('?')) != "/metrics") return reply_of("404 Not Found", plain, "see /metrics\n");
  if (line.compare(0, method_end, "GET") != 0) return reply_of("405 Method Not Allowed", plain, "use GET\n");
  return reply_of("200 OK", "text/plain; version=0.0.4; charset=utf-8", text());
}

std::string reason(int number) {
  return std::generic_category().message(number);
}

int listen_on(const std::string& address, std::uint16_t port) {
  const std::string place = address + ":" + std::to_string(port);
  const auto refuse = [&](const std::string& why) -> IoError {
    return IoError("cannot offer metrics on " + place + ": " + why +
                   "; set watch.metrics_address and watch.metrics_port (0: none)");
  };
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0) {
    throw refuse(::gai_strerror(code));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> kept(found, &::freeaddrinfo);
  const int socket = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) throw refuse(reason(errno));
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (::bind(socket, found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket, kBacklog) != 0) {
    const int why = errno;
    ::close(socket);
    throw refuse(reason(why));
  }
  return socket;
}

std::uint16_t port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  // The port lies at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

MetricsListener::MetricsListener(const std::string& address, std::uint16_t port, std::function<std::string()> text)
    : text_(std::move(text)), listening_(listen_on(address, port)), wake_(::eventfd(0, EFD_CLOEXEC)) {
  if (wake_ < 0) {
    ::close(listening_);
    throw IoError("cannot offer metrics: " + reason(errno));
  }
  port_ = port_of(listening_);
  thread_ = std::thread([this] { run(); });
}

MetricsListener::~MetricsListener() {
  const std::uint64_t one = 1;
  // An eventfd takes 8 bytes whole; should it not, the thread still ends with the process.
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
  thread_.join();
  ::close(listening_);
  ::close(wake_);
}

void MetricsListener::run() {
  std::array<pollfd, 2> watched{pollfd{listening_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
  while (true) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if ((watched[1].revents & POLLIN) != 0) return;
    const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const auto deadline = Clock::now() + kPatience;
    const std::string head = read_head(client, deadline);
    if (!head.empty()) send_all(client, answer(head, text_), deadline);
    ::shutdown(client, SHUT_WR);
    ::close(client);
  }
}

}  // namespace pulmo::training
