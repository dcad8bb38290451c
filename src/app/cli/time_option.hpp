#pragma once
// Options that name a time.
#include <cstdint>
#include <string>

namespace memseal::app {

/// Unix ms of an RFC 3339 time, or of now less an age: 90s, 30m, 12h, 7d. 0 where `text` is empty.
/// Throws Refused{bad_request}, which names `option`.
std::int64_t time_of_option(const std::string& text, const char* option);

}  // namespace memseal::app
