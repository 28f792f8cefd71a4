#include "serving/security/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <span>
#include <utility>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "core/support/log.h"

namespace pulmo::serving {
namespace {

constexpr std::string_view kPrefix = "pulmo_";
constexpr std::string_view kMark = "sha256:";
constexpr std::size_t kRandomBytes = 32;
constexpr std::size_t kMaxKeyBytes = 256;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{16} << 20U;
constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr std::string_view kHexDigits = "0123456789abcdef";

bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !text.empty() && text.size() <= kMaxNameBytes && std::all_of(text.begin(), text.end(), fits);
}

std::string base64url(std::span<const unsigned char> bytes) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned pending = 0;
  unsigned bits = 0;
  for (const unsigned char byte : bytes) {
    pending = (pending << 8U) | byte;
    for (bits += 8; bits >= 6; bits -= 6) text += kLetters[(pending >> (bits - 6)) & 63U];
  }
  if (bits > 0) text += kLetters[(pending << (6 - bits)) & 63U];
  return text;
}

KeyDigest digest_of(std::string_view key) {
  KeyDigest digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return digest;
}

std::optional<KeyDigest> parse_digest(std::string_view hex) {
  KeyDigest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const auto value = kHexDigits.find(hex[i]);
    if (value == std::string_view::npos) return std::nullopt;
    digest[i / 2] = static_cast<unsigned char>(digest[i / 2] * 16 + value);
  }
  return digest;
}

std::string_view shown_key(const RequestHead& head) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view authorization = head.header("authorization");
  if (to_lower(authorization.substr(0, kScheme.size())) == kScheme) return trim(authorization.substr(kScheme.size()));
  return trim(head.header("x-api-key"));
}

}  // namespace

std::string make_api_key() {
  std::array<unsigned char, kRandomBytes> random{};
  if (::RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) throw IoError("no random bytes for a key");
  return std::string(kPrefix) + base64url(random);
}

std::string key_line(const std::string& name, const std::string& key) {
  if (!is_name(name)) {
    throw UsageError("key name '" + name + "': take 1 to 64 letters, digits, dots, dashes or underscores");
  }
  std::string line = name + " " + std::string(kMark);
  for (const unsigned char byte : digest_of(key)) {
    line += kHexDigits[byte >> 4U];
    line += kHexDigits[byte & 15U];
  }
  return line;
}

ApiKeys::ApiKeys(std::filesystem::path file) : file_(std::move(file)), entries_(std::make_shared<const Entries>()) {
  if (required()) reload();
}

ApiKeys::Entries ApiKeys::read(const std::filesystem::path& file) {
  const std::string text = read_text_file(file, kMaxFileBytes);
  Entries entries;
  std::size_t number = 0;
  const auto refuse = [&](const std::string& problem) {
    throw InvalidInput("configuration", "security.keys_file: " + file.string() + ": " + problem);
  };
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.ends_with('\r')) line = trim(line.substr(0, line.size() - 1));
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t space = std::min(line.find_first_of(" \t"), line.size());
    const std::string_view mark = trim(line.substr(space));
    const auto digest = mark.starts_with(kMark) ? parse_digest(mark.substr(kMark.size())) : std::nullopt;
    if (!digest || !is_name(line.substr(0, space))) {
      refuse("line " + std::to_string(number) + " is not 'NAME sha256:HEX' as pulmo-serve keygen prints it");
    }
    entries.push_back({std::string(line.substr(0, space)), *digest});
  }
  if (entries.empty()) refuse("no key in it, so nobody could ask anything: make one with pulmo-serve keygen");
  return entries;
}

void ApiKeys::reload() {
  if (!required()) return;
  std::error_code failed;
  const auto changed = std::filesystem::last_write_time(file_, failed);
  auto entries = std::make_shared<const Entries>(read(file_));
  const std::lock_guard lock(mutex_);
  entries_ = std::move(entries);
  changed_ = changed;
}

void ApiKeys::reload_if_changed(Clock::time_point now) {
  if (!required()) return;
  std::filesystem::file_time_type known;
  {
    const std::lock_guard lock(mutex_);
    if (now - looked_ < kLookEvery) return;
    looked_ = now;
    known = changed_;
  }
  std::error_code failed;
  const auto changed = std::filesystem::last_write_time(file_, failed);
  if (failed || changed == known) return;
  try {
    reload();
    log_info("keys read again");
  } catch (const std::exception& error) {
    log_error("keys not read again: the ones before stay", {{"error", error.what()}});
    const std::lock_guard lock(mutex_);
    changed_ = changed;  // told once
  }
}

std::optional<std::string> ApiKeys::owner(const RequestHead& head) const {
  const std::string_view key = shown_key(head);
  if (key.empty() || key.size() > kMaxKeyBytes) return std::nullopt;
  const KeyDigest digest = digest_of(key);
  std::shared_ptr<const Entries> entries;
  {
    const std::lock_guard lock(mutex_);
    entries = entries_;
  }
  const Entry* found = nullptr;
  for (const Entry& entry : *entries) {
    if (::CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0) found = &entry;
  }
  return found == nullptr ? std::nullopt : std::optional(found->name);
}

}  // namespace pulmo::serving
