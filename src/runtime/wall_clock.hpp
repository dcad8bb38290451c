#pragma once
#include <chrono>
#include <cstdint>
#include <functional>

namespace memseal::runtime {

/// Unix time in milliseconds. Measure durations with runtime::Clock instead, because an operator
/// may set the wall clock.
inline std::int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

/// unix_ms, or a clock that a test sets. What decides by the time of day takes one: whether a token
/// has expired, whether an event's time lies ahead.
/// Thread: any.
using WallClock = std::function<std::int64_t()>;

}  // namespace memseal::runtime
