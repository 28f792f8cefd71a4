#include "serving/http/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <new>

#include "core/support/error.h"

namespace pulmo::serving {
namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;
// TLS 1.2 suites; those of 1.3 are all good.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::array<unsigned char, 9> kHttp11{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

std::string last_error() {
  const unsigned long code = ::ERR_peek_last_error();
  const char* reason = ::ERR_reason_error_string(code);
  ::ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

[[noreturn]] void refuse(const std::string& key, const std::filesystem::path& file, const std::string& problem) {
  throw InvalidInput("configuration", key + ": " + file.string() + ": " + problem);
}

int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) {
  return 0;
}

/// A client that offers nothing we speak gets an alert, one that offers nothing at all is taken to speak HTTP/1.1.
int choose_protocol(SSL* /*session*/, const unsigned char** chosen, unsigned char* length, const unsigned char* offered,
                    unsigned int offered_length, void* /*unused*/) {
  unsigned char* found = nullptr;
  const int result = ::SSL_select_next_proto(&found, length, kHttp11.data(), kHttp11.size(), offered, offered_length);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

struct TlsContext::Impl {
  SSL_CTX* context = ::SSL_CTX_new(::TLS_server_method());
  Impl() {
    if (context == nullptr) throw std::bad_alloc();
  }
  ~Impl() { ::SSL_CTX_free(context); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
};

TlsContext::TlsContext(const std::filesystem::path& certificate, const std::filesystem::path& key)
    : impl_(std::make_unique<Impl>()) {
  SSL_CTX* context = impl_->context;
  ::ERR_clear_error();
  ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  ::SSL_CTX_set_cipher_list(context, kCiphers);
  ::SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  ::SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  ::SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (::SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    refuse("tls.certificate", certificate, "no PEM certificate can be read: " + last_error());
  }
  if (::SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    refuse("tls.key", key, "no PEM key of this certificate, without a passphrase, can be read: " + last_error());
  }
  if (::SSL_CTX_check_private_key(context) != 1) refuse("tls.key", key, "it does not belong to the certificate");
}

TlsContext::~TlsContext() = default;

struct TlsSession::Impl {
  SSL* session;
  BIO* in;  ///< owned by the session, like `out`
  BIO* out;

  explicit Impl(SSL_CTX* context)
      : session(::SSL_new(context)), in(::BIO_new(::BIO_s_mem())), out(::BIO_new(::BIO_s_mem())) {
    if (session == nullptr || in == nullptr || out == nullptr) {
      ::SSL_free(session);
      ::BIO_free(in);
      ::BIO_free(out);
      throw std::bad_alloc();
    }
    ::SSL_set_bio(session, in, out);
    ::SSL_set_accept_state(session);
  }
  ~Impl() { ::SSL_free(session); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
};

TlsSession::TlsSession(const TlsContext& context) : impl_(std::make_unique<Impl>(context.impl_->context)) {}

TlsSession::~TlsSession() = default;

bool TlsSession::receive(std::string_view wire, std::string& plain) {
  std::array<char, kRecordBytes> record{};
  ::ERR_clear_error();  // the queue belongs to the thread, and other connections have used it
  while (true) {
    const auto part = static_cast<int>(std::min(wire.size(), kRecordBytes));
    if (part > 0 && ::BIO_write(impl_->in, wire.data(), part) != part) throw std::bad_alloc();
    wire.remove_prefix(static_cast<std::size_t>(part));
    int count = 0;
    while ((count = ::SSL_read(impl_->session, record.data(), static_cast<int>(record.size()))) > 0) {
      plain.append(record.data(), static_cast<std::size_t>(count));
    }
    const int state = ::SSL_get_error(impl_->session, count);
    if (state != SSL_ERROR_WANT_READ) {
      plain_http_ = ERR_GET_REASON(::ERR_peek_last_error()) == SSL_R_HTTP_REQUEST;
      if (state != SSL_ERROR_ZERO_RETURN) closed_ = true;  // after a broken record nothing more may be said
      ::ERR_clear_error();
      return false;
    }
    if (wire.empty()) return true;
  }
}

void TlsSession::send(std::string_view plain) {
  ::ERR_clear_error();
  while (!plain.empty()) {
    const auto part = static_cast<int>(std::min(plain.size(), kRecordBytes));
    if (::SSL_write(impl_->session, plain.data(), part) != part) {  // memory takes all there is
      closed_ = true;
      ::ERR_clear_error();
      return;
    }
    plain.remove_prefix(static_cast<std::size_t>(part));
  }
}

void TlsSession::close() {
  if (closed_) return;
  closed_ = true;
  ::ERR_clear_error();
  if (established()) ::SSL_shutdown(impl_->session);
  ::ERR_clear_error();
}

std::string TlsSession::output() {
  std::string bytes(::BIO_ctrl_pending(impl_->out), '\0');
  if (!bytes.empty()) ::BIO_read(impl_->out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

bool TlsSession::established() const {
  return ::SSL_is_init_finished(impl_->session) == 1;
}

}  // namespace pulmo::serving
