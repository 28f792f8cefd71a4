#include "core/image/dicom_stream.h"

#include <algorithm>

namespace pulmo {
namespace {

class MemoryStreamFactory : public DcmInputStreamFactory {
 public:
  explicit MemoryStreamFactory(ByteView bytes) : bytes_(bytes) {}

  DcmInputStream* create() const override { return new MemoryStream(bytes_); }  // DCMTK deletes it
  DcmInputStreamFactory* clone() const override { return new MemoryStreamFactory(bytes_); }
  DcmInputStreamFactoryType ident() const override { return DFT_DcmInputFileStreamFactory; }

 private:
  ByteView bytes_;
};

}  // namespace

MemoryStream::MemoryStream(ByteView bytes) : DcmInputStream(&producer_), bytes_(bytes) {
  producer_.setBuffer(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  producer_.setEos();
}

DcmInputStreamFactory* MemoryStream::newFactory() const {
  const auto at = std::min(static_cast<std::size_t>(tell()), bytes_.size());
  return new MemoryStreamFactory(bytes_.subspan(at));  // DCMTK deletes it
}

}  // namespace pulmo
