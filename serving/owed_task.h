#pragma once

#include <functional>
#include <memory>
#include <utility>

namespace pulmo::serving {

/// A task for a queue that may drop it: calls `task` when it is run, or `dropped` (unless empty) when its last copy
/// dies before, so that somebody is always answered. Neither may throw.
inline std::function<void()> owed(std::function<void()> task, std::function<void()> dropped) {
  struct Owed {
    Owed(std::function<void()> to_run, std::function<void()> when_dropped)
        : task(std::move(to_run)), dropped(std::move(when_dropped)) {}
    ~Owed() {
      if (task && dropped) dropped();
    }
    Owed(const Owed&) = delete;
    Owed& operator=(const Owed&) = delete;
    std::function<void()> task;
    std::function<void()> dropped;
  };
  return [owed = std::make_shared<Owed>(std::move(task), std::move(dropped))] {
    if (const auto run = std::exchange(owed->task, nullptr)) run();
  };
}

}  // namespace pulmo::serving
