#pragma once

#include <string>
#include <string_view>

namespace pulmo::pipeline {

/// What a reason of report.yaml means, for people: one sentence, with a remedy where there is one. Empty for a word
/// that no run of this version counts.
std::string explain_reason(std::string_view reason);

}  // namespace pulmo::pipeline
