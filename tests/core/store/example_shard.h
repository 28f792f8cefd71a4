#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/store/shard.h"

/// Shards whose content follows a formula, which tests/golden/shard_writer.py and shard_reader.py know too.
namespace pulmo::testing {

/// A slice shard of 3 classes without masks.
ShardInfo example_info(const SampleShape& shape = {1, 0, 6, 5});

/// Sample number `index`: value e of the image is (index*7919 + e*104729 + 13) mod 65536, lungs (e + index) mod 2,
/// nodules (e + index) mod 5, label index mod 3, patient "Påtient-<index/2>", series "1.2.<index/2>", group
/// "g/<index/2>", instance "1.2.3.<index>", position -2.5*index + 0.125.
Sample example_sample(const ShardInfo& info, int index);

/// Writes `count` example samples.
void write_example_shard(const std::filesystem::path& file, const ShardInfo& info, int count);

/// Runs a script of tests/golden with Debian's Python and returns what it prints; throws std::runtime_error with its
/// error output when it fails.
std::string run_golden(const std::string& script, const std::vector<std::string>& arguments);

/// Names in the folder, sorted.
std::vector<std::string> names_in(const std::filesystem::path& folder);

}  // namespace pulmo::testing
