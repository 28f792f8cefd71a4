#include "serving/isolation/priority.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/support/log.h"

namespace pulmo::serving {

void lower_priority(int niceness) {
  if (::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), niceness) != 0) {
    log_warning("a thread keeps the priority of the model's", {{"error", std::strerror(errno)}});
  }
}

}  // namespace pulmo::serving
