#include "core/image/jpeg2000_header.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "core/support/error.h"

namespace pulmo {
namespace {

// OpenJPEG sets some 7 kB aside for each tile before it reads one, 1.2 kB for each precinct and half for each code
// block.
constexpr std::int64_t kMaxTiles = 1024;
constexpr std::int64_t kMaxPrecincts = 65536;  // of 64 x 64 values, 8192 x 8192 pixels have 22,000
constexpr std::int64_t kMaxBlocks = 262144;    // of 32 x 32 values, 8192 x 8192 pixels have 65,536

// Markers (A.2).
constexpr int kCodingStyle = 0xFF52;
constexpr int kComponentStyle = 0xFF53;
constexpr std::int64_t kTilePart = 0xFF90;
constexpr std::int64_t kData = 0xFF93;
constexpr std::int64_t kEnd = 0xFFD9;
// Those before segments that begin with their length, as OpenJPEG knows them: within others it looks for markers
// itself.
constexpr std::array kSegments = {0xFF50, kCodingStyle, kComponentStyle, 0xFF55, 0xFF57, 0xFF58, 0xFF59,
                                  0xFF5C, 0xFF5D,       0xFF5E,          0xFF5F, 0xFF60, 0xFF61, 0xFF63,
                                  0xFF64, 0xFF74,       0xFF75,          0xFF77, 0xFF78};

constexpr std::size_t kStartBytes = 2;
constexpr std::size_t kSizeSegmentBytes = 43;  // of one component
constexpr std::size_t kTilePartBytes = 12;

struct Grid {
  std::int64_t tile_width = 0, tile_height = 0;  // of a whole tile, cut to the picture
  std::int64_t tiles = 0;
};

std::int64_t ceil_shift(std::int64_t value, int bits) {
  return (value + (std::int64_t{1} << bits) - 1) >> bits;
}

class HeaderCheck {
 public:
  HeaderCheck(ByteView stream, std::string_view name, const PixelLayout& layout)
      : stream_(stream), name_(name), layout_(layout) {}

  void run() {
    read_size();
    at_ = kStartBytes + kSizeSegmentBytes;
    walk_header(kTilePart, grid_.tiles);
    while (number(2) != kEnd) {
      if (number(2) != kTilePart) refuse_damaged();
      const std::size_t begin = at_;
      need(kTilePartBytes);
      at_ += 6;
      const auto length = static_cast<std::size_t>(number(4));
      at_ = begin + kTilePartBytes;
      walk_header(kData, 1);
      if (length == 0) return;  // up to the end of the stream
      if (length < at_ - begin || length > stream_.size() - begin) refuse_damaged();
      at_ = begin + length;
      if (stream_.size() - at_ < 2) return;  // OpenJPEG sees the missing end
    }
  }

 private:
  [[noreturn]] void refuse(const char* reason, const std::string& problem) const {
    throw InvalidInput(reason, std::string(name_) + ": the JPEG 2000 data " + problem);
  }
  [[noreturn]] void refuse_damaged() const { refuse("truncated_dicom", "are damaged or end early"); }

  void need(std::size_t count) const {
    if (stream_.size() - at_ < count) refuse("truncated_dicom", "end within their header");
  }

  std::int64_t number(std::size_t count, std::size_t beyond = 0) const {
    need(beyond + count);
    std::int64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      value = value << 8U | std::to_integer<std::int64_t>(stream_[at_ + beyond + i]);
    }
    return value;
  }

  // SIZ (A.5.1), the first segment of every code stream.
  void read_size() {
    need(kStartBytes + kSizeSegmentBytes);
    std::array<std::int64_t, 8> numbers{};  // Xsiz, Ysiz, XOsiz, YOsiz, XTsiz, YTsiz, XTOsiz, YTOsiz
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = number(4, 8 + 4 * i);
    const std::int64_t components = number(2, 40);
    const auto [right, bottom, left, top, tile_width, tile_height, tile_left, tile_top] = numbers;
    const std::int64_t width = right - left, height = bottom - top;
    if (width != layout_.columns || height != layout_.rows || components != 1) {
      refuse("bad_pixel_format", "are of " + std::to_string(width) + " x " + std::to_string(height) + " x " +
                                     std::to_string(components) + " values, the DICOM header says otherwise");
    }
    if (number(2, 4) + 2 != static_cast<std::int64_t>(kSizeSegmentBytes)) refuse_damaged();
    const bool placed = tile_width >= 1 && tile_height >= 1 && tile_left <= left && tile_top <= top;
    const std::int64_t across = placed ? (right - tile_left + tile_width - 1) / tile_width : 0;
    const std::int64_t down = placed ? (bottom - tile_top + tile_height - 1) / tile_height : 0;
    if (!placed || across > kMaxTiles || down > kMaxTiles || across * down > kMaxTiles) {
      refuse("bad_pixel_format", "are cut into over " + std::to_string(kMaxTiles) + " tiles");
    }
    grid_ = {std::min(tile_width, width), std::min(tile_height, height), across * down};
  }

  // Segments up to the marker `last`, which is left standing before a tile-part and stepped over before its data.
  void walk_header(std::int64_t last, std::int64_t tiles) {
    for (std::int64_t marker = number(2); marker != last; marker = number(2)) {
      const auto length = static_cast<std::size_t>(number(2, 2));
      const bool known = std::find(kSegments.begin(), kSegments.end(), marker) != kSegments.end();
      if (!known || length < 2) refuse_damaged();
      need(2 + length);
      const ByteView content = stream_.subspan(at_ + 4, length - 2);
      if (marker == kCodingStyle) count_parts(content, 0, 5, tiles);
      if (marker == kComponentStyle) count_parts(content, 1, 2, tiles);
      at_ += 2 + length;
    }
    if (last == kData) at_ += 2;
  }

  // COD (A.6.1) and COC (A.6.2): where the flags stand, and the number of decomposition levels, followed by the
  // logarithms of the code blocks' sides less 2, two more bytes, and for each resolution those of its precincts' sides.
  void count_parts(ByteView content, std::size_t flags_at, std::size_t levels_at, std::int64_t tiles) {
    const auto value = [&](std::size_t at) {
      if (at >= content.size()) refuse_damaged();
      return std::to_integer<int>(content[at]);
    };
    const bool given = (value(flags_at) & 1) != 0;
    const int levels = value(levels_at);
    const int block_width = (value(levels_at + 1) & 15) + 2, block_height = (value(levels_at + 2) & 15) + 2;
    if (levels > 32) refuse_damaged();
    for (int r = 0; r <= levels; ++r) {
      const int sides = given ? value(levels_at + 5 + static_cast<std::size_t>(r)) : 0xFF;
      const std::int64_t width = ceil_shift(grid_.tile_width, levels - r);
      const std::int64_t height = ceil_shift(grid_.tile_height, levels - r);
      precincts_ += tiles * (ceil_shift(width, sides & 15) + 1) * (ceil_shift(height, sides >> 4) + 1);
      // A block is cut to its precinct, which of all resolutions but the first is halved among three bands (B.7).
      const int halved = r > 0 ? 1 : 0;
      blocks_ += tiles * ceil_shift(width * height, std::min(block_width, std::max((sides & 15) - halved, 0)) +
                                                        std::min(block_height, std::max((sides >> 4) - halved, 0)));
    }
    if (precincts_ > kMaxPrecincts || blocks_ > kMaxBlocks) {
      refuse("bad_pixel_format", "are cut into over " + std::to_string(kMaxPrecincts) + " precincts or " +
                                     std::to_string(kMaxBlocks) + " code blocks");
    }
  }

  ByteView stream_;
  std::string_view name_;
  const PixelLayout& layout_;
  std::size_t at_ = 0;
  Grid grid_;
  std::int64_t precincts_ = 0, blocks_ = 0;
};

}  // namespace

void check_jpeg2000_header(ByteView stream, std::string_view name, const PixelLayout& layout) {
  HeaderCheck(stream, name, layout).run();
}

}  // namespace pulmo
