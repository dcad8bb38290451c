#pragma once
// The place of a passage in its document, as it is sealed beside the passage.
#include "base/place.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace memseal::wire {

/// `meta_json`, as meta_of() made it, with the place in it: at most some 2,000 bytes more.
std::string meta_with_place(const std::string& meta_json, const Place& place);

/// Reads what meta_with_place() wrote. Empty for any other JSON. Never throws.
std::optional<Place> place_of_meta(std::string_view meta_json);

}  // namespace memseal::wire
