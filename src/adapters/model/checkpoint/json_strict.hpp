#pragma once
#include "base/result.hpp"

#include <boost/json/value.hpp>

#include <string_view>

namespace memseal::model {

/// Parses JSON in which no object repeats a key (Boost.JSON alone keeps the last one silently).
/// Errors: model_invalid, its message being a clause without the file's name.
Result<boost::json::value> parse_strict(std::string_view text);

}  // namespace memseal::model
