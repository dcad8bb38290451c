#include "base/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace memseal {

// The table of errc.hpp chooses the type. If callers chose, one of them could throw a lasting
// failure as an Outage, and ingest would retry that event for ever.
void throw_failure(Error error) {
  if (errc_row(error.code).transient()) throw Outage(std::move(error));
  throw Refused(std::move(error));
}

// Writes to stderr and not to the log, because the state of the logger may be what is broken.
// Aborts instead of throwing, because a handler would go on with a state that no code expects.
void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "memseal: assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace memseal
