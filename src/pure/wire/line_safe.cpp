#include "pure/wire/line_safe.hpp"

#include <cstddef>
#include <string_view>

namespace memseal::wire {

namespace {

struct Separator {
  std::string_view bytes, escape;
};

constexpr Separator separators[] = {
    {"\xc2\x85", "\\u0085"}, {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"}};

const Separator* separator_at(std::string_view text) {
  for (const auto& separator : separators)
    if (text.starts_with(separator.bytes)) return &separator;
  return nullptr;
}

/// Where the next separator may begin.
std::size_t next_lead(std::string_view text, std::size_t from) {
  return text.find_first_of("\xc2\xe2", from);
}

}  // namespace

std::string line_safe(std::string json) {
  const std::string_view text = json;
  auto at = next_lead(text, 0);
  while (at != std::string_view::npos && separator_at(text.substr(at)) == nullptr)
    at = next_lead(text, at + 1);
  if (at == std::string_view::npos) return json;  // nearly always

  std::string safe(text.substr(0, at));
  while (at != std::string_view::npos) {
    const auto* separator = separator_at(text.substr(at));
    const auto rest = at + (separator != nullptr ? separator->bytes.size() : 1);
    const auto next = next_lead(text, rest);
    safe.append(separator != nullptr ? separator->escape : text.substr(at, 1));
    safe.append(text.substr(rest, next == std::string_view::npos ? next : next - rest));
    at = next;
  }
  return safe;
}

}  // namespace memseal::wire
