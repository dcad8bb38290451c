#pragma once
// Assertions that stay on in release builds: a broken invariant ends the process before it can
// write a wrong row.

namespace memseal {

/// Prints `expression` with its place to stderr and aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace memseal

#define MEMSEAL_ASSERT(expression) \
  ((expression) ? void(0) : ::memseal::assertion_failed(#expression, __FILE__, __LINE__))
