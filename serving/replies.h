#pragma once

#include <string>

#include "serving/http/message.h"

namespace pulmo::serving {

/// 200 with a JSON document that no cache may keep.
HttpResponse json_reply(std::string body);

/// The error reply of a code of reasons.h, with Retry-After where another try may help.
HttpResponse refusal_reply(const std::string& code, const std::string& message, const std::string& request_id);
HttpResponse refusal_reply(const HttpRefusal& refusal, const std::string& request_id);

}  // namespace pulmo::serving
