#pragma once

namespace pulmo::serving {

/// The model comes first: it works with a thread a core, and one of them kept from its core keeps all waiting. What
/// makes its input gives way to it, and explanations to both. Niceness (setpriority(2)).
inline constexpr int kPreparationNiceness = 5;
inline constexpr int kExplanationNiceness = 15;

/// Of this thread and those that it starts from now on: Linux keeps the value per thread. Logs a warning where the
/// system forbids it.
void lower_priority(int niceness);

}  // namespace pulmo::serving
