#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace pulmo::pipeline {

/// Each adds one subcommand; the returned function runs it after the parse.
std::function<void()> add_annotations_command(CLI::App& program);
std::function<void()> add_lidc_command(CLI::App& program);
std::function<void()> add_images_command(CLI::App& program);
std::function<void()> add_inspect_command(CLI::App& program);
std::function<void()> add_verify_command(CLI::App& program);
std::function<void()> add_merge_command(CLI::App& program);
std::function<void()> add_phantom_command(CLI::App& program);

}  // namespace pulmo::pipeline
