#pragma once
// Reads of what this module sealed beside a passage.
#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace memseal::wire {

/// Empty where the member is missing or no text.
inline std::string text_at(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  const auto* text = value ? value->if_string() : nullptr;
  return text ? std::string(*text) : std::string();
}

}  // namespace memseal::wire
