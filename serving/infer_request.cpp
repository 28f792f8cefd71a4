#include "serving/infer_request.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "serving/http/message.h"

namespace pulmo::serving {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 16;
constexpr std::size_t kMaxOtherValues = 4096;  // keys and values outside of `data`
constexpr std::size_t kMaxDimensions = 8;
constexpr std::size_t kMaxTexts = 65536;  // far more files than fit in a batch; an empty text takes 32 bytes too

[[noreturn]] void refuse(const std::string& why) {
  throw HttpRefusal(400, "bad_parameter", why);
}

/// Takes the contents of `inputs[i].data` out while the document is parsed, so that it never becomes a tree of values.
/// Depths are those of nlohmann's callback: the members of inputs[i] have 3, the values of its data 4 and more.
class DataCollector {
 public:
  explicit DataCollector(std::size_t max_values) : max_values_(max_values) {}

  /// False leaves the value out of the document.
  bool operator()(int depth, json::parse_event_t event, const json& value) {
    if (depth > kMaxDepth) refuse("the JSON is nested too deeply");
    if (within_ && depth > 3) return collect(event, value);
    if (++others_ > kMaxOtherValues) throw HttpRefusal(413, "too_large", "the JSON holds too much beside tensor data");
    if (event == json::parse_event_t::key) {
      if (depth == 1) top_key_ = value.get<std::string>();
      if (depth == 1 && top_key_ == "inputs") contents_.clear();  // of two equal keys the last one counts
      within_ = depth == 3 && top_key_ == "inputs" && value == "data";
    } else if (event == json::parse_event_t::object_start && depth == 2 && top_key_ == "inputs") {
      contents_.emplace_back();
    } else if (event == json::parse_event_t::array_end && depth == 3) {
      within_ = false;
    }
    return true;
  }

  struct Content {
    std::vector<float> numbers;
    std::vector<std::string> texts;
  };
  std::vector<Content>& contents() { return contents_; }

 private:
  bool collect(json::parse_event_t event, const json& value) {
    if (event == json::parse_event_t::array_start) return true;
    if (event == json::parse_event_t::array_end) return false;
    if (event != json::parse_event_t::value || !(value.is_number() || value.is_string()) || contents_.empty()) {
      refuse("the data of a tensor are numbers, or texts where its datatype is BYTES");
    }
    if (++values_ > max_values_) throw HttpRefusal(413, "too_large", "more tensor data than this server takes at once");
    if (value.is_number()) {
      const auto number = value.get<double>();
      constexpr double kHighest = std::numeric_limits<float>::max();
      contents_.back().numbers.push_back(std::abs(number) <= kHighest ? static_cast<float>(number) : INFINITY);
    } else {
      if (contents_.back().texts.size() >= kMaxTexts) {
        throw HttpRefusal(413, "too_large", "more texts than this server takes at once");
      }
      contents_.back().texts.push_back(value.get<std::string>());
    }
    return false;
  }

  const std::size_t max_values_;
  std::size_t values_ = 0;
  std::size_t others_ = 0;
  std::string top_key_;
  bool within_ = false;
  std::vector<Content> contents_;
};

/// The member, or null.
const json* member(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string text_member(const json& object, const char* key, const std::string& of) {
  const json* value = member(object, key);
  if (value == nullptr || !value->is_string()) refuse(of + " needs \"" + key + "\", a text");
  return value->get<std::string>();
}

/// A parameter of a request, an input or an output; null when it is not given.
const json* parameter(const json& object, const char* key) {
  const json* parameters = member(object, "parameters");
  if (parameters == nullptr) return nullptr;
  if (!parameters->is_object()) refuse("\"parameters\" is an object");
  return member(*parameters, key);
}

bool flag_parameter(const json& object, const char* key, bool fallback) {
  const json* value = parameter(object, key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse(std::string("the parameter ") + key + " is true or false");
  return value->get<bool>();
}

std::vector<std::int64_t> read_shape(const json& input, const std::string& name) {
  const json* shape = member(input, "shape");
  if (shape == nullptr || !shape->is_array() || shape->empty() || shape->size() > kMaxDimensions) {
    refuse("input " + name + " needs \"shape\", a list of numbers");
  }
  std::vector<std::int64_t> sizes;
  for (const json& size : *shape) {
    if (!size.is_number_unsigned() || size.get<std::uint64_t>() > INT32_MAX) {
      refuse("the shape of input " + name + " holds what is no size");
    }
    sizes.push_back(size.get<std::int64_t>());
  }
  return sizes;
}

/// The bytes of an input that says binary_data_size, taken from the front of `rest`.
std::optional<ByteView> read_raw(const json& input, const std::string& name, ByteView& rest) {
  const json* size = parameter(input, "binary_data_size");
  if (size == nullptr) return std::nullopt;
  if (!size->is_number_unsigned() || size->get<std::uint64_t>() > rest.size()) {
    refuse("binary_data_size of input " + name + " is no size, or more than the body holds after its JSON");
  }
  const auto bytes = size->get<std::size_t>();
  const ByteView raw = rest.first(bytes);
  rest = rest.subspan(bytes);
  return raw;
}

InferInput read_input(const json& input, DataCollector::Content content, ByteView& rest) {
  InferInput read;
  read.name = text_member(input, "name", "an input");
  read.datatype = text_member(input, "datatype", "input " + read.name);
  read.shape = read_shape(input, read.name);
  if (const json* type = parameter(input, "content_type"); type != nullptr && type->is_string()) {
    read.content_type = type->get<std::string>();
  }
  read.raw = read_raw(input, read.name, rest);
  const json* data = member(input, "data");
  if (read.raw.has_value() == (data != nullptr)) {
    refuse("input " + read.name + " needs either \"data\" or the parameter binary_data_size");
  }
  if (data != nullptr && !data->is_array()) refuse("\"data\" of input " + read.name + " is no list");
  read.numbers = std::move(content.numbers);
  read.texts = std::move(content.texts);
  return read;
}

std::vector<InferOutput> read_outputs(const json& document, bool binary) {
  std::vector<InferOutput> outputs;
  const json* list = member(document, "outputs");
  if (list == nullptr) return outputs;
  if (!list->is_array()) refuse("\"outputs\" is a list");
  for (const json& output : *list) {
    if (!output.is_object()) refuse("an output is an object");
    outputs.push_back({text_member(output, "name", "an output"), flag_parameter(output, "binary_data", binary)});
  }
  return outputs;
}

std::size_t json_length(ByteView body, std::string_view header_length) {
  if (header_length.empty()) return body.size();
  std::size_t length = 0;
  const char* end = header_length.data() + header_length.size();
  const auto parsed = std::from_chars(header_length.data(), end, length);
  if (parsed.ec != std::errc() || parsed.ptr != end || length > body.size()) {
    refuse("Inference-Header-Content-Length is no number, or more than the body holds");
  }
  return length;
}

}  // namespace

InferRequest parse_infer_request(ByteView body, std::string_view header_length, std::size_t max_values) {
  const std::size_t length = json_length(body, header_length);
  DataCollector collector(max_values);
  const json document = json::parse(
      as_text(body.first(length)),
      [&](int depth, json::parse_event_t event, json& value) { return collector(depth, event, value); }, false);
  if (document.is_discarded()) throw HttpRefusal(400, "malformed_request", "the body is no JSON");
  if (!document.is_object()) refuse("the body is no JSON object");
  InferRequest request;
  if (const json* id = member(document, "id"); id != nullptr) {
    if (!id->is_string()) refuse("\"id\" is a text");
    request.id = id->get<std::string>();
  }
  request.binary_outputs = flag_parameter(document, "binary_data_output", false);
  const json* inputs = member(document, "inputs");
  if (inputs == nullptr || !inputs->is_array() || inputs->empty()) refuse("the request needs \"inputs\", a list");
  for (const json& input : *inputs) {
    if (!input.is_object()) refuse("an input is an object");
  }
  ByteView rest = body.subspan(length);
  for (std::size_t i = 0; i < inputs->size(); ++i) {
    request.inputs.push_back(read_input((*inputs)[i], std::move(collector.contents().at(i)), rest));
  }
  if (!rest.empty()) refuse("the body holds more bytes than its JSON and the inputs' binary_data_size tell of");
  request.outputs = read_outputs(document, request.binary_outputs);
  return request;
}

}  // namespace pulmo::serving
