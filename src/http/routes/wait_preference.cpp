#include "http/routes/wait_preference.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::http {

namespace {

std::optional<std::chrono::seconds> seconds_of(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  unsigned long long count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (text.empty() || end != text.data() + text.size()) return std::nullopt;
  const auto most = static_cast<unsigned long long>(wait_max.count());
  if (failure == std::errc::result_out_of_range) return wait_max;
  return std::chrono::seconds(std::min(count, most));
}

/// The value of the first `name=value` among the parts of `list`.
std::optional<std::string_view> value_in(std::string_view list, char separator,
                                         std::string_view name) {
  while (!list.empty()) {
    const auto end = std::min(list.find(separator), list.size());
    auto part = list.substr(0, end);
    part = trimmed(part.substr(0, part.find(';')));  // parameters of a preference
    const auto equals = part.find('=');
    if (equal_ignoring_case(trimmed(part.substr(0, equals)), name))
      return equals == part.npos ? std::string_view() : trimmed(part.substr(equals + 1));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return std::nullopt;
}

}  // namespace

Result<WaitPreference> wait_preference(const RequestHead& head) {
  if (const auto asked = value_in(head.query(), '&', "wait")) {
    const auto time = seconds_of(*asked);
    if (!time)
      return Error{Errc::bad_request, "wait is a whole number of seconds, such as ?wait=5", "wait"};
    return WaitPreference{*time};
  }
  const auto preferences = head.list("prefer");
  if (!preferences) return WaitPreference{};
  const auto asked = value_in(*preferences, ',', "wait");
  const auto time = asked ? seconds_of(*asked) : std::nullopt;
  return time ? WaitPreference{*time, true} : WaitPreference{};
}

}  // namespace memseal::http
