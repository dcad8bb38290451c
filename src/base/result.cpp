#include "base/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace memseal {

void throw_failure(Error error) {
  if (errc_row(error.code).transient()) throw Outage(std::move(error));
  throw Refused(std::move(error));
}

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "memseal: assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace memseal
