#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace pulmo::serving {

/// Documents keep the order in which their keys were set.
using Json = nlohmann::ordered_json;

/// One line. Text that is no valid UTF-8 is mended, so that the document always parses.
inline std::string text_of(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pulmo::serving
