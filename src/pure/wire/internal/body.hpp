#pragma once
// What the bodies of all requests have in common.
#include "pure/codec/json.hpp"

#include <boost/json/object.hpp>

#include <string_view>

namespace memseal::wire {

namespace json = boost::json;

/// The object that `body` is. Errors: payload_too_large, bad_json.
Result<json::object> object_of(std::string_view body);

}  // namespace memseal::wire
