#pragma once

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrma.h>
#include <dcmtk/dcmdata/dcistrmb.h>

#include "core/support/bytes.h"

namespace pulmo {

/// Inside core/image only. A DCMTK stream over bytes in memory that knows how to come back: DCMTK then leaves values
/// above 4 kB where they are until somebody asks for them, and refuses those that claim more bytes than there are.
/// DCMTK's own buffer stream makes room for whatever length a file claims, up to 4 GiB.
class MemoryStream : public DcmInputStream {
 public:
  /// `bytes` must outlive the stream and every object read from it.
  explicit MemoryStream(ByteView bytes);

  DcmInputStreamFactory* newFactory() const override;

 private:
  ByteView bytes_;
  DcmBufferProducer producer_;
};

}  // namespace pulmo
