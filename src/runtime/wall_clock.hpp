#pragma once
#include <chrono>
#include <cstdint>

namespace memseal::runtime {

/// Unix time in milliseconds. Durations are measured with runtime::Clock, because an operator may
/// set the wall clock.
inline std::int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace memseal::runtime
