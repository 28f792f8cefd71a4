#include "training/watch/event_file.h"

#include <unistd.h>

#include <atomic>
#include <bit>
#include <chrono>

#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "training/watch/crc32c.h"

namespace pulmo::training {
namespace {

// Field numbers of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
enum EventField : std::uint32_t { kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7 };
enum SummaryField : std::uint32_t { kValue = 1, kTag = 1, kSimpleValue = 2 };
constexpr std::uint32_t kStatus = 1;  // of SessionLog
constexpr std::uint64_t kStart = 1;   // SessionLog.SessionStatus.START
enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

template <typename Unsigned>
void put_little_endian(std::string& out, Unsigned value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>((value >> (8 * i)) & 0xffU);
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80U; value >>= 7U) out += static_cast<char>((value & 0x7fU) | 0x80U);
  out += static_cast<char>(value);
}

void put_key(std::string& out, std::uint32_t field, WireType type) {
  put_varint(out, field << 3U | type);
}

void put_bytes(std::string& out, std::uint32_t field, const std::string& bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_number(std::string& out, std::uint32_t field, std::uint64_t value) {
  put_key(out, field, kVarint);
  put_varint(out, value);
}

// An event of now, without its content.
std::string event_of(std::int64_t step) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  put_key(event, kWallTime, kFixed64);
  put_little_endian(event, std::bit_cast<std::uint64_t>(now.count()));
  if (step != 0) put_number(event, kStep, static_cast<std::uint64_t>(step));
  return event;
}

std::string summary_value(const Scalar& scalar) {
  std::string value;
  put_bytes(value, kTag, scalar.tag);
  put_key(value, kSimpleValue, kFixed32);
  put_little_endian(value, std::bit_cast<std::uint32_t>(static_cast<float>(scalar.value)));
  return value;
}

std::string file_name() {
  static std::atomic<int> count{0};
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return "events.out.tfevents." + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count()) + "." +
         host + "." + std::to_string(::getpid()) + "." + std::to_string(count++);
}

}  // namespace

EventFile::EventFile(const std::filesystem::path& folder, std::int64_t step) {
  make_writable_directory(folder);
  path_ = folder / file_name();
  file_.open(path_, std::ios::binary);
  if (!file_) throw IoError("cannot create " + path_.string());
  std::string version = event_of(0);
  put_bytes(version, kFileVersion, "brain.Event:2");
  append(version);
  std::string start = event_of(step + 1);
  std::string session;
  put_number(session, kStatus, kStart);
  put_bytes(start, kSessionLog, session);
  append(start);
}

void EventFile::add(std::int64_t step, const std::vector<Scalar>& values) {
  std::string summary;
  for (const Scalar& scalar : values) put_bytes(summary, kValue, summary_value(scalar));
  std::string event = event_of(step);
  put_bytes(event, kSummary, summary);
  append(event);
}

void EventFile::append(const std::string& event) {
  std::string length;
  put_little_endian(length, static_cast<std::uint64_t>(event.size()));
  std::string frame = length;
  put_little_endian(frame, masked_crc32c(length));
  frame += event;
  put_little_endian(frame, masked_crc32c(event));
  file_.write(frame.data(), static_cast<std::streamsize>(frame.size()));
  file_.flush();
  if (!file_) throw IoError("cannot write " + path_.string() + ": is the disk full?");
}

}  // namespace pulmo::training
