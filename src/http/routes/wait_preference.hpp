#pragma once
// How long a client lets an answer wait for the work that it asked for. Pure.
#include "base/result.hpp"
#include "http/server/message.hpp"

#include <chrono>

namespace memseal::http {

/// The longest wait that is granted; a longer one is shortened to it.
inline constexpr std::chrono::seconds wait_max{30};

struct WaitPreference {
  std::chrono::seconds time{0};  ///< at most wait_max; 0: do not wait
  bool preferred = false;        ///< asked for by Prefer, so that Preference-Applied answers it
};

/// Reads `?wait=N` and, where it is absent, `Prefer: wait=N` (RFC 7240), N in whole seconds. A
/// preference that cannot be read is ignored, as that RFC asks.
/// Error: bad_request for `?wait` that is no number of seconds.
Result<WaitPreference> wait_preference(const RequestHead& head);

}  // namespace memseal::http
