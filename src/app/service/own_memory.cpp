#include "app/service/own_memory.hpp"

#include "base/assert.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace memseal::app {

void close_own_memory() {
  // The limit alone does not hold where the kernel hands dumps to a program (core(5)), and the flag
  // ends with exec.
  const rlimit no_core{0, 0};
  MEMSEAL_ASSERT(::setrlimit(RLIMIT_CORE, &no_core) == 0);
  MEMSEAL_ASSERT(::prctl(PR_SET_DUMPABLE, 0) == 0);
}

}  // namespace memseal::app
