#include "core/image/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <string>

#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr std::size_t kFirstStep = 1U << 20U;
constexpr std::size_t kMostPacked = 1U << 30U;  // zlib counts its input in 32 bits

struct Closer {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

}  // namespace

Bytes inflate_raw(ByteView packed, std::size_t max_bytes, std::string_view name) {
  if (packed.size() > kMostPacked) {
    throw InvalidInput("too_large", std::string(name) + ": the deflated data set is over 1 GiB");
  }
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    throw IoError("zlib gives no memory to unpack a deflated data set");
  }
  const std::unique_ptr<z_stream, Closer> closer(&stream);
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));  // zlib only reads it
  stream.avail_in = static_cast<uInt>(packed.size());
  Bytes result;
  int state = Z_OK;
  while (state == Z_OK) {
    const std::size_t done = result.size();
    if (done > max_bytes) {
      throw InvalidInput("too_large", std::string(name) + ": the deflated data set unpacks to over " +
                                          std::to_string(max_bytes) + " bytes");
    }
    result.resize(std::min(std::max(2 * done, kFirstStep), max_bytes + 1));
    stream.next_out = reinterpret_cast<Bytef*>(result.data() + done);
    stream.avail_out = static_cast<uInt>(result.size() - done);
    state = inflate(&stream, Z_NO_FLUSH);
    result.resize(result.size() - stream.avail_out);
  }
  if (state != Z_STREAM_END) {
    throw InvalidInput("truncated_dicom", std::string(name) +
                                              ": the deflated data set is damaged or ends early after " +
                                              std::to_string(result.size()) + " bytes");
  }
  return result;
}

}  // namespace pulmo
