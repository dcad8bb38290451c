#pragma once
// Headers of records, as texts and as numbers.
#include "ports/event_source.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace memseal::ingest {

/// The first header of that name.
inline std::optional<std::string_view> value_of(const ports::Record& record,
                                                std::string_view name) {
  for (const auto& [key, value] : record.headers)
    if (key == name) return value;
  return std::nullopt;
}

/// Empty unless the whole text is one number.
template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto* end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc{} || stop != end || text.empty()) return std::nullopt;
  return number;
}

}  // namespace memseal::ingest
