#include "app/cli/time_option.hpp"

#include "base/result.hpp"
#include "pure/codec/rfc3339.hpp"
#include "runtime/wall_clock.hpp"

#include <charconv>
#include <string_view>

namespace memseal::app {

std::int64_t time_of_option(const std::string& text, const char* option) {
  if (text.empty()) return 0;
  if (const auto time = codec::parse_rfc3339(text)) return *time;
  std::int64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(text.data(), end, number);
  const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  const std::int64_t unit_ms = unit == "s"   ? 1'000
                               : unit == "m" ? 60'000
                               : unit == "h" ? 3'600'000
                               : unit == "d" ? 86'400'000
                                             : 0;
  if (failed != std::errc{} || unit_ms == 0 || number < 0 || number > 1'000'000)
    throw Refused({Errc::bad_request,
                   std::string(option) + " is an RFC 3339 time or an age: 90s, 30m, 12h, 7d"});
  return runtime::unix_ms() - number * unit_ms;
}

}  // namespace memseal::app
