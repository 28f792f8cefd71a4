#include "serving/stacks.h"

#include <algorithm>

#include "core/model/volume_layout.h"
#include "core/support/natural_order.h"
#include "serving/series.h"

namespace pulmo::serving {
namespace {

using Indices = std::vector<std::size_t>;

const SlicePlace& place_of(const SliceOutcome& outcome) {
  const auto* prediction = std::get_if<Prediction>(&outcome);
  return prediction != nullptr ? prediction->place : std::get<SliceFailure>(outcome).place;
}

/// Slices that belong together, in order, the refused ones too.
std::vector<Indices> runs_of(const std::vector<SliceOutcome>& slices) {
  std::vector<PlacedSlice> placed;
  for (const SliceOutcome& slice : slices) placed.push_back({place_of(slice), {}});
  std::vector<Indices> runs;
  std::vector<bool> taken(slices.size(), false);
  for (const Series& series : find_series(placed, {})) {
    Indices& run = runs.emplace_back();
    for (const Series::Point& point : series.points) {
      run.push_back(point.slice);
      taken[point.slice] = true;
    }
  }
  Indices pictures;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (taken[i]) continue;
    if (placed[i].place.series.empty()) {
      pictures.push_back(i);
    } else {
      runs.push_back({i});  // the only one of its series
    }
  }
  const auto name = [&](std::size_t i) {
    const auto* prediction = std::get_if<Prediction>(&slices[i]);
    return prediction != nullptr ? prediction->name : std::string();
  };
  std::stable_sort(pictures.begin(), pictures.end(), [&](auto a, auto b) { return natural_less(name(a), name(b)); });
  runs.push_back(std::move(pictures));
  return runs;
}

/// The stacks of one run of usable slices.
void add_run(const Indices& run, std::size_t depth, StackPlan& plan) {
  Indices& group = plan.groups.emplace_back();
  if (run.size() <= depth) {
    for (const std::size_t slice : run) plan.stack_of[slice] = plan.stacks.size();
    group.push_back(plan.stacks.size());
    plan.stacks.push_back(run);
    return;
  }
  for (std::size_t i = 0; i < run.size(); ++i) {
    const std::size_t reach = std::min({(depth - 1) / 2, i, run.size() - 1 - i});
    plan.stack_of[run[i]] = plan.stacks.size();
    group.push_back(plan.stacks.size());
    const auto middle = run.begin() + static_cast<std::ptrdiff_t>(i);
    const auto half = static_cast<std::ptrdiff_t>(reach);
    plan.stacks.emplace_back(middle - half, middle + half + 1);
  }
}

}  // namespace

StackPlan plan_stacks(const std::vector<SliceOutcome>& slices, std::int64_t depth) {
  StackPlan plan;
  plan.stack_of.resize(slices.size());
  for (Indices run : runs_of(slices)) {
    run.erase(std::remove_if(run.begin(), run.end(),
                             [&](std::size_t i) { return std::holds_alternative<SliceFailure>(slices[i]); }),
              run.end());
    if (!run.empty()) add_run(run, static_cast<std::size_t>(depth), plan);
  }
  return plan;
}

std::vector<std::uint16_t> volume_of(const std::vector<std::size_t>& stack, const std::vector<SliceOutcome>& slices,
                                     const BundleMetadata& metadata) {
  const auto plane = static_cast<std::size_t>(metadata.spec.size_px * metadata.spec.size_px);
  const auto depth = static_cast<std::size_t>(metadata.depth);
  const auto channels = static_cast<std::size_t>(metadata.channels);
  const auto first = static_cast<std::size_t>(first_place(metadata.depth, static_cast<std::int64_t>(stack.size())));
  std::vector<std::uint16_t> volume(channels * depth * plane, 0);
  for (std::size_t i = 0; i < stack.size(); ++i) {
    const std::vector<std::uint16_t>& sample = std::get<Prediction>(slices[stack[i]]).sample;
    for (std::size_t c = 0; c < channels; ++c) {
      std::copy_n(sample.begin() + static_cast<std::ptrdiff_t>(c * plane), plane,
                  volume.begin() + static_cast<std::ptrdiff_t>((c * depth + first + i) * plane));
    }
  }
  return volume;
}

}  // namespace pulmo::serving
