#include "serving/isolation/decoder_worker.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <new>
#include <opencv2/core.hpp>
#include <string>

#include "core/image/png_picture.h"
#include "core/image/slice_decoder.h"
#include "core/support/error.h"
#include "serving/isolation/confinement.h"
#include "serving/isolation/priority.h"

namespace pulmo::serving {
namespace {

/// The server's end is ours: also when it is killed in the middle of a file.
void follow_parent(int parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != parent) throw IoError("the server that started this decoder is gone");
}

std::byte* map_memory(const SharedLayout& layout) {
  void* memory = ::mmap(nullptr, layout.total_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, kWorkerMemory, 0);
  if (memory == MAP_FAILED) throw IoError(std::string("the shared memory cannot be mapped: ") + std::strerror(errno));
  ::close(kWorkerMemory);
  return static_cast<std::byte*>(memory);
}

/// Decodes a picture, and refuses a DICOM file: libraries read their tables and settings now, while they may.
void warm_up() {
  cv::setNumThreads(1);
  const cv::Mat grey(16, 16, CV_8UC1, cv::Scalar(7));
  decode_slice(encode_png_picture(grey), "warm-up");
  constexpr std::string_view kModality(
      "\x08\x00\x60\x00"
      "CS\x02\x00"
      "CT",
      10);
  try {
    decode_dicom(as_bytes(kModality), "warm-up");
  } catch (const InvalidInput&) {  // it holds no picture
  }
}

double cpu_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

void send(DecodeReply reply) {
  reply.cpu_s = cpu_seconds();
  if (::write(kWorkerSocket, &reply, sizeof reply) != static_cast<ssize_t>(sizeof reply)) std::_Exit(0);
}

/// False when the server has closed its end.
bool receive(DecodeRequest& request) {
  ssize_t count = 0;
  do {
    count = ::read(kWorkerSocket, &request, sizeof request);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof request);
}

DecodeReply failure(ReplyKind kind, std::string_view reason, std::string_view message) {
  DecodeReply reply;
  reply.kind = kind;
  put_text(reply.reason, reason);
  put_text(reply.message, message);
  return reply;
}

DecodeReply decode(const DecodeRequest& request, std::byte* memory, const DecoderWorkerOptions& options) {
  try {
    const std::string name = get_text(request.name);
    const ByteView file(memory, request.file_bytes);
    const DecodedSlice decoded = decode_here(file, name, options.limits);
    const std::uint64_t bytes = decoded.slice.pixels.total() * sizeof(float);
    if (bytes > options.layout.pixel_bytes) return failure(ReplyKind::kFailed, "", "too many pixels");
    std::memcpy(memory + options.layout.input_bytes, decoded.slice.pixels.ptr(), bytes);
    return describe(decoded);
  } catch (const InvalidInput& error) {
    return failure(ReplyKind::kRefused, error.reason(), error.what());
  } catch (const std::bad_alloc&) {
    return failure(ReplyKind::kNoMemory, "", "");
  } catch (const cv::Exception& error) {
    const bool memory_gone = error.code == cv::Error::StsNoMem;
    return failure(memory_gone ? ReplyKind::kNoMemory : ReplyKind::kFailed, "", error.what());
  } catch (const std::exception& error) {
    return failure(ReplyKind::kFailed, "", error.what());
  }
}

}  // namespace

void run_decoder_worker(const DecoderWorkerOptions& options) {
  follow_parent(options.parent);
  lower_priority(kPreparationNiceness);
  std::byte* memory = map_memory(options.layout);
  warm_up();
  confine({options.memory_bytes, options.cpu_time, kWorkerSocket});
  DecodeReply ready;
  ready.kind = ReplyKind::kReady;
  send(ready);
  DecodeRequest request;
  while (receive(request)) {
    if (request.file_bytes > options.layout.input_bytes) break;
    send(decode(request, memory, options));
  }
  std::_Exit(0);  // what libraries do at an end needs system calls that are no longer there
}

}  // namespace pulmo::serving
