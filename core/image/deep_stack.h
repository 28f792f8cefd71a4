#pragma once

#include <cstddef>
#include <functional>

namespace pulmo {

/// Inside core/image only. Runs `body` on a thread of its own with a stack of `stack_bytes` and waits for it; what the
/// body throws is thrown here. The stack is reserved, and only takes memory as deep as it is used.
/// Throws IoError when the system gives no such thread. Thread-safe.
void run_with_stack(std::size_t stack_bytes, const std::function<void()>& body);

}  // namespace pulmo
