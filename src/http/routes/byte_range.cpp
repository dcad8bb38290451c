#include "http/routes/byte_range.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace memseal::http {

namespace {

constexpr std::string_view unit = "bytes=";

/// Digits alone. A number beyond 64 bits is as good as the greatest one.
std::optional<std::uint64_t> number(std::string_view text) noexcept {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec == std::errc::result_out_of_range) return ~std::uint64_t{0};
  return value;
}

}  // namespace

AskedRange asked_range(std::optional<std::string_view> field, std::uint64_t length) noexcept {
  // A server may ignore a Range field (RFC 9110 §14.2), and does so where it cannot be read: the
  // client then gets more than it asked for, which it must expect.
  if (!field || !field->starts_with(unit)) return {};
  const auto text = field->substr(unit.size());
  const auto dash = text.find('-');
  if (dash == text.npos) return {};
  const auto first = number(text.substr(0, dash)), last = number(text.substr(dash + 1));
  const bool has_first = dash > 0, has_last = dash + 1 < text.size();
  if ((has_first && !first) || (has_last && !last) || (!has_first && !has_last)) return {};
  if (!has_first) {
    if (*last == 0 || length == 0) return {RangeAnswer::unsatisfiable};
    return {RangeAnswer::part, {length - std::min(*last, length), length}};
  }
  if (has_last && *last < *first) return {};
  if (*first >= length) return {RangeAnswer::unsatisfiable};
  return {RangeAnswer::part, {*first, has_last ? std::min(*last, length - 1) + 1 : length}};
}

}  // namespace memseal::http
