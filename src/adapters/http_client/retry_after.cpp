#include "adapters/http_client/retry_after.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <limits>
#include <string>

namespace memseal::http_client {

namespace {

// RFC 9110, section 5.6.7: the form in use and the two obsolete ones, all of them in GMT.
// Seconds since 1970, because the years of a date go beyond those of a clock in nanoseconds.
std::optional<std::int64_t> parse_http_date(std::string_view text) {
  const std::string date(text);
  for (const char* form : {"%a, %d %b %Y %H:%M:%S GMT", "%a, %d-%b-%y %H:%M:%S GMT",
                           "%a %b %d %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* const end = ::strptime(date.c_str(), form, &parts);
    if (end == date.c_str() + date.size()) return ::timegm(&parts);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text,
                                                           WallClock::time_point now) {
  std::int64_t seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = end == text.data() + text.size() && failure != std::errc::invalid_argument;
  if (is_number && failure == std::errc::result_out_of_range) {
    // More digits than 64 bits hold, which from_chars() reads to their end but does not store.
    seconds = text.front() == '-' ? -1 : std::numeric_limits<std::int64_t>::max();
  } else if (!is_number) {
    const auto date = parse_http_date(text);
    if (!date) return std::nullopt;
    // `now` is rounded down, because a client that comes a second late is welcome and one that
    // comes a second early is refused again.
    const auto since = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
    seconds = std::max<std::int64_t>(*date - since, 0);
  }
  if (seconds < 0) return std::nullopt;
  return std::chrono::seconds(std::min<std::int64_t>(seconds, 3'600));
}

}  // namespace memseal::http_client
