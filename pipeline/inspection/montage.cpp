#include "pipeline/inspection/montage.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "core/image/png_picture.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "pipeline/inspection/outline.h"
#include "pipeline/inspection/sample_choice.h"

namespace pulmo::pipeline {
namespace {

constexpr int kGap = 8;             // px between tiles
constexpr int kCaptionHeight = 34;  // two lines
constexpr int kHeaderHeight = 36;
const cv::Scalar kBackground(34, 30, 28);  // BGR
const cv::Scalar kText(235, 235, 235);
const cv::Scalar kDimText(170, 170, 170);
const cv::Scalar kLungColour(230, 200, 40);
const cv::Scalar kAnyReaderColour(60, 220, 255);
const cv::Scalar kHalfOfReadersColour(70, 70, 255);

struct Line {
  std::string text;
  cv::Point at;  // left end of the base line
  double scale = 0.42;
  cv::Scalar colour = kText;
};

// OpenCV's letters are ASCII.
void write_text(cv::Mat& canvas, const Line& line) {
  std::string text = line.text;
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  cv::putText(canvas, text, line.at, cv::FONT_HERSHEY_SIMPLEX, line.scale, line.colour, 1, cv::LINE_AA);
}

int text_width(const std::string& text, double scale) {
  int baseline = 0;
  return cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, scale, 1, &baseline).width;
}

// Smaller letters where the text would be wider than `width`, and an end cut off where that is not enough.
Line fitted(Line line, int width) {
  while (text_width(line.text, line.scale) > width && line.scale > 0.32) line.scale -= 0.01;
  while (text_width(line.text, line.scale) > width && !line.text.empty()) line.text.pop_back();
  return line;
}

// The planes of one sample that are shown, (H,W).
struct Planes {
  cv::Mat image;    // CV_16UC1
  cv::Mat lungs;    // CV_8UC1 or empty
  cv::Mat nodules;  // CV_8UC1 or empty
};

cv::Mat plane_of(std::vector<std::uint8_t>& values, const SampleShape& shape, std::int64_t depth) {
  if (values.empty()) return {};
  const std::int64_t area = shape.height * shape.width;
  return cv::Mat(static_cast<int>(shape.height), static_cast<int>(shape.width), CV_8UC1, values.data() + depth * area)
      .clone();
}

std::int64_t depth_to_show(const std::vector<std::uint8_t>& nodules, const SampleShape& shape) {
  if (shape.depth == 0) return 0;
  const std::int64_t area = shape.height * shape.width;
  std::int64_t best = shape.depth / 2;
  std::int64_t most = 0;
  for (std::int64_t d = 0; d < shape.depth && !nodules.empty(); ++d) {
    const auto begin = nodules.begin() + d * area;
    const std::int64_t marked = area - std::count(begin, begin + area, std::uint8_t{0});
    if (marked > most) {
      most = marked;
      best = d;
    }
  }
  return best;
}

Planes read_planes(const ShardReader& shard, std::int64_t index) {
  const SampleShape& shape = shard.info().shape;
  std::vector<std::uint16_t> image(static_cast<std::size_t>(shape.elements()));
  shard.read_image(index, image);
  std::vector<std::uint8_t> lungs = shard.read_lungs(index);
  std::vector<std::uint8_t> nodules = shard.read_nodules(index);
  const std::int64_t depth = depth_to_show(nodules, shape);
  Planes planes;
  planes.image = cv::Mat(static_cast<int>(shape.height), static_cast<int>(shape.width), CV_16UC1,
                         image.data() + depth * shape.height * shape.width)
                     .clone();
  planes.lungs = plane_of(lungs, shape, 0);
  planes.nodules = plane_of(nodules, shape, depth);
  return planes;
}

// The picture in its own proportions, as large as the tile allows.
cv::Mat draw_picture(const Planes& planes, int tile_px, bool outlines) {
  const double scale = static_cast<double>(tile_px) / std::max(planes.image.rows, planes.image.cols);
  cv::Mat grey;
  planes.image.convertTo(grey, CV_8UC1, 1.0 / 257.0);
  cv::Mat scaled;
  cv::resize(grey, scaled, {}, scale, scale, scale < 1.0 ? cv::INTER_AREA : cv::INTER_CUBIC);
  cv::Mat picture;
  cv::cvtColor(scaled, picture, cv::COLOR_GRAY2BGR);
  if (!outlines) return picture;
  if (!planes.lungs.empty()) draw_outline(picture, planes.lungs, {scale, kLungColour});
  if (planes.nodules.empty()) return picture;
  draw_outline(picture, planes.nodules > 0, {scale, kAnyReaderColour});
  double readers = 0.0;
  cv::minMaxLoc(planes.nodules, nullptr, &readers);
  if (readers > 1.0) draw_outline(picture, planes.nodules >= std::ceil(readers / 2.0), {scale, kHalfOfReadersColour});
  return picture;
}

class Montage {
 public:
  /// `data` must outlive it.
  Montage(const PreparedData& data, const MontageOptions& options) : data_(data), options_(options) {
    width_ = kGap + options.columns * (options.tile_px + kGap);
  }

  cv::Mat draw() {
    std::vector<cv::Mat> strips = {draw_title()};
    for (std::size_t k = 0; k < data_.manifest.class_names.size(); ++k) {
      strips.push_back(draw_class(static_cast<std::uint8_t>(k)));
    }
    cv::Mat canvas;
    cv::vconcat(strips, canvas);
    return canvas;
  }

  /// The pictures of one class without any heading.
  cv::Mat draw_grid(std::uint8_t label) const { return draw_tiles(chosen(label)); }

 private:
  cv::Mat strip(int height) const { return {height, width_, CV_8UC3, kBackground}; }
  cv::Mat draw_title() const;
  cv::Mat draw_class(std::uint8_t label) const;
  cv::Mat draw_tiles(const std::vector<SampleAddress>& addresses) const;
  std::vector<SampleAddress> chosen(std::uint8_t label) const {
    return choose_samples(data_, label,
                          {static_cast<std::size_t>(options_.samples_per_class), options_.seed, options_.split});
  }
  void draw_tile(cv::Mat& canvas, const SampleAddress& address, cv::Point corner) const;

  const PreparedData& data_;
  MontageOptions options_;
  int width_ = 0;
};

cv::Mat Montage::draw_title() const {
  const Manifest& manifest = data_.manifest;
  std::string title =
      "task " + manifest.task + ", from " + manifest.source + ", data " + manifest.data_digest().substr(0, 12);
  if (manifest.phantom) title += ", SYNTHETIC PHANTOM";
  struct Entry {
    bool shown;
    const char* text;
    cv::Scalar colour;
  };
  const Entry legend[] = {
      {options_.outlines && data_.has_lungs(), "lungs", kLungColour},
      {options_.outlines && data_.has_nodules(), "nodule: any reader", kAnyReaderColour},
      {options_.outlines && data_.has_nodules(), "nodule: at least half of its readers", kHalfOfReadersColour}};
  cv::Mat canvas = strip(2 * kHeaderHeight);
  write_text(canvas, {title, {kGap, 24}, 0.55});
  int x = kGap;
  for (const Entry& entry : legend) {
    if (!entry.shown) continue;
    write_text(canvas, {entry.text, {x, 52}, 0.48, entry.colour});
    x += text_width(entry.text, 0.48) + 3 * kGap;
  }
  if (x == kGap) write_text(canvas, {"no outlines", {x, 52}, 0.48, kDimText});
  return canvas;
}

cv::Mat Montage::draw_class(std::uint8_t label) const {
  const auto addresses = chosen(label);
  const std::string& name = data_.manifest.class_names[label];
  std::int64_t total = 0;
  for (const Split which : kSplits) {
    const auto& counts = data_.manifest.split(which).counts;
    if (const auto found = counts.find(name); found != counts.end()) total += found->second;
  }
  cv::Mat heading = strip(kHeaderHeight);
  cv::line(heading, {kGap, 4}, {width_ - kGap, 4}, kDimText, 1);
  write_text(
      heading,
      {name + ": " + std::to_string(addresses.size()) + " of " + std::to_string(total) + " samples", {kGap, 27}, 0.6});
  cv::Mat canvas;
  std::vector<cv::Mat> strips = {heading, strip(kGap)};
  if (!addresses.empty()) strips.insert(strips.begin() + 1, draw_tiles(addresses));
  cv::vconcat(strips, canvas);
  return canvas;
}

cv::Mat Montage::draw_tiles(const std::vector<SampleAddress>& addresses) const {
  const int rows = (static_cast<int>(addresses.size()) + options_.columns - 1) / options_.columns;
  const int row_height = options_.tile_px + kCaptionHeight + kGap;
  cv::Mat canvas = strip(rows * row_height);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const int column = static_cast<int>(i) % options_.columns;
    const int row = static_cast<int>(i) / options_.columns;
    draw_tile(canvas, addresses[i], {kGap + column * (options_.tile_px + kGap), row * row_height});
  }
  return canvas;
}

void Montage::draw_tile(cv::Mat& canvas, const SampleAddress& address, cv::Point corner) const {
  const ShardReader& shard = data_.split(address.split)[address.shard];
  const cv::Mat picture = draw_picture(read_planes(shard, address.sample), options_.tile_px, options_.outlines);
  const cv::Point offset((options_.tile_px - picture.cols) / 2, (options_.tile_px - picture.rows) / 2);
  picture.copyTo(canvas(cv::Rect(corner + offset, picture.size())));
  const auto at = static_cast<std::size_t>(address.sample);
  char position[32];
  std::snprintf(position, sizeof position, "z %.1f mm", shard.positions_mm()[at] + 0.0);  // no "-0.0"
  const std::string& name = data_.manifest.class_names[shard.labels()[at]];
  const std::string what = name + ", " + std::string(to_string(address.split)) + ", " + position;
  const std::string where = shard.path().stem().string() + " sample " + std::to_string(address.sample);
  const int base = corner.y + options_.tile_px;
  write_text(canvas, fitted({what, {corner.x, base + 14}}, options_.tile_px));
  write_text(canvas, fitted({where, {corner.x, base + 29}, 0.38, kDimText}, options_.tile_px));
}

void check(const MontageOptions& options) {
  const auto within = [](const char* name, int value, int low, int high) {
    if (value >= low && value <= high) return;
    throw InvalidInput("montage", std::string("montage: ") + name + " is " + std::to_string(value) + ", must be in [" +
                                      std::to_string(low) + ", " + std::to_string(high) + "]");
  };
  within("columns", options.columns, 1, 100);
  within("samples_per_class", options.samples_per_class, 1, 1000);
  within("tile_px", options.tile_px, 64, 1024);
}

}  // namespace

std::string class_montage_png(const PreparedData& data, std::uint8_t label, const MontageOptions& options) {
  check(options);
  cv::Mat grid = Montage(data, options).draw_grid(label);
  if (grid.empty()) throw InvalidInput("montage", "montage: there is no sample of class " + std::to_string(label));
  cv::copyMakeBorder(grid, grid, kGap, 0, 0, 0, cv::BORDER_CONSTANT, kBackground);
  return std::string(as_text(encode_png_picture(grid)));
}

void write_montage(const std::filesystem::path& directory, const MontageOptions& options,
                   const std::filesystem::path& png) {
  check(options);
  const PreparedData data = open_prepared(directory);
  write_file_atomically(png, as_text(encode_png_picture(Montage(data, options).draw())));
}

}  // namespace pulmo::pipeline
