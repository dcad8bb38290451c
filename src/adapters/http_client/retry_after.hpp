#pragma once
#include <chrono>
#include <optional>
#include <string_view>

namespace memseal::http_client {

using WallClock = std::chrono::system_clock;

/// What a `Retry-After` field asks for (RFC 9110, section 10.2.3): a number of seconds, or the time
/// from `now` to its date, none if that is past. At most an hour. Nothing for any other text.
std::optional<std::chrono::milliseconds> parse_retry_after(
    std::string_view text, WallClock::time_point now = WallClock::now());

}  // namespace memseal::http_client
