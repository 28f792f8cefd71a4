#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "serving/http/connection.h"

namespace pulmo::serving {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  ///< address or name to listen on
  std::uint16_t port = 8080;       ///< 0 picks a free one
  int io_threads = 2;              ///< threads that read requests, and as many that answer them or pass them on
  std::size_t max_connections = 512;
  std::uint64_t max_upload_bytes = std::uint64_t{1024} * 1024 * 1024;  ///< request bodies in memory, all together
  std::string tls_certificate;                                         ///< PEM file; empty: plain HTTP
  std::string tls_key;                                                 ///< PEM file
  HttpLimits limits;
  HttpTimeouts timeouts;
};

/// An HTTP/1.1 server on Pistache's acceptor and reactor, behind the Guard. Thread-safe.
class HttpServer {
 public:
  HttpServer(HttpServerOptions options, HttpHandlers handlers);
  ~HttpServer();  ///< stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Listens; returns when connections are accepted. Throws IoError when the address cannot be had, InvalidInput when
  /// the certificate cannot be used.
  void start();
  std::uint16_t port() const;
  /// `http://host:port` (or https), as a browser on this machine takes it.
  std::string address() const;

  /// Reads certificate and key again; connections from now on get the new ones. Throws InvalidInput when they cannot be
  /// used, and keeps the old ones. Without TLS: nothing.
  void reload_tls();

  /// Begins the end: every reply is now the last of its connection, and new connections are marked late.
  void drain();
  /// Waits until no request and no reply is under way, for `settle` on end. False when `limit` passed first.
  bool wait_until_quiet(std::chrono::milliseconds settle, std::chrono::milliseconds limit) const;
  /// Closes everything. Idempotent.
  void stop();

  std::size_t connections() const;
  std::uint64_t upload_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pulmo::serving
