#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

namespace pulmo::pipeline {

/// What a reason of report.yaml means, for people: one sentence, with a remedy where there is one. Empty for a word
/// that no run of this version counts.
std::string explain_reason(std::string_view reason);

/// An example of report.yaml without what may name a patient: folders and zips are cut from paths, and every one of
/// `patients` that still occurs becomes "[patient]".
std::string without_patients(std::string_view example, const std::set<std::string>& patients);

}  // namespace pulmo::pipeline
