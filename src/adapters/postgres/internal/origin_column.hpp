#pragma once
#include "base/ids.hpp"
#include "base/result.hpp"

#include <string_view>

namespace memseal::postgres {

/// The Origin that a column holds. Throws Refused{internal} for any other text, which only a newer
/// program can have written.
inline Origin origin_in_row(std::string_view name) {
  if (const auto origin = parse_origin(name)) return *origin;
  throw Refused(Error{Errc::internal, "database: a row has an unknown origin"});
}

}  // namespace memseal::postgres
