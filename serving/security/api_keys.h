#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serving/http/message.h"

namespace pulmo::serving {

using KeyDigest = std::array<unsigned char, 32>;

/// A new key: "pulmo_" and 256 random bits in base64url. Throws IoError when the system has no randomness.
std::string make_api_key();
/// Its line in a keys file: `NAME sha256:HEX`. A plain SHA-256 is enough, and salt and stretching would add nothing: it
/// is passwords that can be guessed, and no one guesses 256 random bits. Throws UsageError for a name that is not 1 to
/// 64 of [A-Za-z0-9._-].
std::string key_line(const std::string& name, const std::string& key);

/// The keys that clients may show, from a file that holds their digests only. Thread-safe.
class ApiKeys {
 public:
  /// An empty path: no keys are asked for. Throws InvalidInput("configuration") for a file that cannot be understood
  /// or names no key, IoError for one that cannot be read.
  explicit ApiKeys(std::filesystem::path file);

  bool required() const { return !file_.empty(); }
  /// The name of the key in `Authorization: Bearer KEY` or `X-API-Key: KEY`; nothing when there is none or it is
  /// unknown. Takes the same time for every key that is not in the file.
  std::optional<std::string> owner(const RequestHead& head) const;

  /// Reads the file again. Throws as the constructor, and then keeps the keys there were.
  void reload();
  /// The same when the file has changed, looked at once a second at most; what is wrong with it is logged.
  void reload_if_changed(Clock::time_point now);

 private:
  struct Entry {
    std::string name;
    KeyDigest digest;
  };
  using Entries = std::vector<Entry>;
  static Entries read(const std::filesystem::path& file);

  const std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Entries> entries_;
  std::filesystem::file_time_type changed_;
  Clock::time_point looked_;
};

}  // namespace pulmo::serving
