#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace pulmo::serving {

/// A server's certificate and key, and what TLS it speaks: 1.2 with forward secrecy and authenticated ciphers, and 1.3;
/// no renegotiation, no compression, no early data; HTTP/1.1 by ALPN. Immutable and thread-safe.
class TlsContext {
 public:
  /// Both files are PEM; the certificate's chain follows it. Throws InvalidInput("configuration") when one cannot be
  /// used, or they do not belong together. A key with a passphrase is refused: nobody is there to type it.
  TlsContext(const std::filesystem::path& certificate, const std::filesystem::path& key);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsSession;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The server's side of one TLS connection, without a socket: bytes of the wire in, bytes of the wire out. What the
/// peer sends is held up to one record (16 KiB). Not thread-safe.
class TlsSession {
 public:
  explicit TlsSession(const TlsContext& context);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// Takes what came from the wire and appends to `plain` what it says. False when the session is over: the peer has
  /// closed it, or broke the protocol; output() may still hold an alert.
  bool receive(std::string_view wire, std::string& plain);
  /// Encrypts; the handshake must be done.
  void send(std::string_view plain);
  /// Says goodbye, once.
  void close();
  /// What is to go to the wire now.
  std::string output();

  bool established() const;
  /// The peer began with plain HTTP.
  bool plain_http() const { return plain_http_; }
  bool closed() const { return closed_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  bool plain_http_ = false;
  bool closed_ = false;
};

}  // namespace pulmo::serving
