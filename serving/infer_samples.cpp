#include "serving/infer_samples.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <opencv2/core.hpp>
#include <optional>

#include "serving/http/message.h"

namespace pulmo::serving {
namespace {

static_assert(std::endian::native == std::endian::little, "binary tensors are little-endian, and read as they are");

/// A datatype of `image`: what its values mean.
struct Datatype {
  std::string_view name;
  int mat_type;       ///< of OpenCV
  std::size_t bytes;  ///< of one value
  float highest;      ///< stands for 1.0
  bool whole;
};
constexpr std::array kDatatypes{Datatype{"FP32", CV_32F, 4, 1.0F, false}, Datatype{"FP64", CV_64F, 8, 1.0F, false},
                                Datatype{"FP16", CV_16F, 2, 1.0F, false}, Datatype{"UINT16", CV_16U, 2, 65535.0F, true},
                                Datatype{"UINT8", CV_8U, 1, 255.0F, true}};

[[noreturn]] void refuse(const std::string& why) {
  throw HttpRefusal(400, "bad_parameter", why);
}

std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t size : shape) text.append(text.empty() ? "[" : ",").append(std::to_string(size));
  return text + "]";
}

std::size_t batch_of(const InferInput& input, std::size_t most) {
  const auto count = static_cast<std::size_t>(input.shape.front());
  if (count == 0 || count > most) {
    refuse("input " + input.name + " holds " + std::to_string(count) + " samples, this server takes 1 to " +
           std::to_string(most) + " at once");
  }
  return count;
}

const Datatype& datatype_of(const InferInput& input) {
  const auto found = std::find_if(kDatatypes.begin(), kDatatypes.end(),
                                  [&](const Datatype& known) { return known.name == input.datatype; });
  if (found == kDatatypes.end()) {
    refuse("input image takes FP32, FP64, FP16, UINT16 or UINT8, not " + input.datatype);
  }
  return *found;
}

std::vector<float> values_of(const InferInput& input, const Datatype& datatype, std::size_t count) {
  if (!input.raw) {
    if (datatype.mat_type == CV_16F) refuse("FP16 has no JSON form: send it as binary tensor data");
    if (!input.texts.empty() || input.numbers.size() != count) {
      refuse("input image of shape " + text_of(input.shape) + " needs " + std::to_string(count) + " numbers");
    }
    return input.numbers;
  }
  if (input.raw->size() != count * datatype.bytes) {
    refuse("input image of shape " + text_of(input.shape) + " and type " + input.datatype + " needs " +
           std::to_string(count * datatype.bytes) + " bytes, binary_data_size is " + std::to_string(input.raw->size()));
  }
  if (count > static_cast<std::size_t>(std::numeric_limits<int>::max())) refuse("input image holds too many values");
  cv::Mat raw(1, static_cast<int>(count), datatype.mat_type);
  std::memcpy(raw.data, input.raw->data(), input.raw->size());
  std::vector<float> values(count);
  cv::Mat converted(1, static_cast<int>(count), CV_32F, values.data());
  raw.convertTo(converted, CV_32F);
  return values;
}

/// Values as the preprocessing stores them: round(65535 * value).
std::vector<std::uint16_t> quantised(const std::vector<float>& values, const Datatype& datatype) {
  std::vector<std::uint16_t> pixels(values.size());
  const double scale = 65535.0 / static_cast<double>(datatype.highest);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    if (!(value >= 0.0F && value <= datatype.highest) || (datatype.whole && value != std::floor(value))) {
      refuse("input image holds a value that is none of " + std::string(datatype.name) + " from 0 to " +
             std::to_string(static_cast<int>(datatype.highest)));
    }
    pixels[i] = static_cast<std::uint16_t>(std::lround(static_cast<double>(value) * scale));
  }
  return pixels;
}

std::int64_t values_of_sample(const BundleMetadata& metadata) {
  return metadata.channels * std::max<std::int64_t>(1, metadata.depth) * metadata.spec.size_px * metadata.spec.size_px;
}

std::vector<Upload> image_samples(const InferInput& input, const BundleMetadata& metadata, std::size_t most) {
  const Datatype& datatype = datatype_of(input);
  const std::int64_t size = metadata.spec.size_px;
  std::vector<std::int64_t> wanted{metadata.channels, size, size};
  if (metadata.depth > 0) wanted.insert(wanted.begin() + 1, metadata.depth);
  if (input.shape.size() != wanted.size() + 1 || !std::equal(wanted.begin(), wanted.end(), input.shape.begin() + 1)) {
    refuse("input image has the shape " + text_of(input.shape) + ", the model takes [N," + text_of(wanted).substr(1));
  }
  const std::size_t count = batch_of(input, most);
  const auto stride = static_cast<std::size_t>(values_of_sample(metadata));
  const std::vector<std::uint16_t> pixels = quantised(values_of(input, datatype, count * stride), datatype);
  std::vector<Upload> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto first = pixels.begin() + static_cast<std::ptrdiff_t>(i * stride);
    samples[i].sample.assign(first, first + static_cast<std::ptrdiff_t>(stride));
  }
  return samples;
}

/// RFC 4648 section 4, with its padding; none for anything else.
std::optional<Bytes> base64_decoded(std::string_view text) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : (text.ends_with("=") ? 1 : 0);
  Bytes decoded;
  decoded.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool padded = i >= text.size() - padding;
    const std::size_t digit = padded ? 0 : kDigits.find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (const unsigned shift : {16U, 8U, 0U}) decoded.push_back(static_cast<std::byte>(bits >> shift & 0xffU));
    bits = 0;
  }
  decoded.resize(decoded.size() - padding);
  return decoded;
}

[[noreturn]] void refuse_count(const InferInput& input, const std::string& found) {
  refuse("input file of shape " + text_of(input.shape) + " holds " + found + " files");
}

/// Elements of BYTES: four bytes of length, then the bytes. Never more than `count`: an element may be of no bytes, and
/// would take far more memory than it has sent.
std::vector<Bytes> binary_elements(const InferInput& input, std::size_t count) {
  ByteView raw = *input.raw;
  std::vector<Bytes> elements;
  while (!raw.empty()) {
    if (elements.size() == count) refuse_count(input, "more than " + std::to_string(count));
    std::uint32_t length = 0;
    if (raw.size() < sizeof length) refuse("input file ends within the length of an element");
    std::memcpy(&length, raw.data(), sizeof length);
    raw = raw.subspan(sizeof length);
    if (length > raw.size()) refuse("input file has an element that is longer than its data");
    const ByteView element = raw.first(length);
    elements.emplace_back(element.begin(), element.end());
    raw = raw.subspan(length);
  }
  return elements;
}

std::vector<Bytes> elements_of(const InferInput& input, std::size_t count) {
  if (input.raw) return binary_elements(input, count);
  if (input.content_type != "base64") {
    refuse("files are no text: send them as binary tensor data, or as base64 with the parameter content_type");
  }
  if (input.texts.size() != count) refuse_count(input, std::to_string(input.texts.size()));
  std::vector<Bytes> elements;
  for (const std::string& text : input.texts) {
    std::optional<Bytes> decoded = base64_decoded(text);
    if (!decoded) refuse("input file holds a text that is no base64");
    elements.push_back(std::move(*decoded));
  }
  return elements;
}

std::vector<Upload> file_samples(const InferInput& input, std::size_t most) {
  if (input.datatype != "BYTES") refuse("input file has the datatype BYTES, not " + input.datatype);
  const bool column = input.shape.size() == 2 && input.shape[1] == 1;
  if (input.shape.size() != 1 && !column) refuse("input file has the shape [N] or [N,1], not " + text_of(input.shape));
  const std::size_t count = batch_of(input, most);
  std::vector<Bytes> elements = elements_of(input, count);
  if (elements.size() != count) refuse_count(input, std::to_string(elements.size()));
  if (!input.numbers.empty()) refuse("input file holds numbers beside its files");
  std::vector<Upload> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    samples[i].name = "file-" + std::to_string(i + 1);
    samples[i].data = std::move(elements[i]);
  }
  return samples;
}

}  // namespace

std::vector<Upload> samples_of(const InferRequest& request, const BundleMetadata& metadata, std::size_t most) {
  if (request.inputs.size() != 1) refuse("give one input: image or file");
  const InferInput& input = request.inputs.front();
  if (input.name == "image") return image_samples(input, metadata, most);
  if (input.name == "file" && metadata.depth > 0) {
    refuse("the model takes volumes: send them as the input image, or slices to /v1/predict");
  }
  if (input.name == "file") return file_samples(input, most);
  refuse("the model has the inputs image and file, not " + input.name);
}

}  // namespace pulmo::serving
