#pragma once
// What producers send that a text may hold and storage may not.
#include "pure/codec/json.hpp"
#include "pure/wire/event.hpp"

#include <string>
#include <string_view>

namespace memseal::wire {

namespace json = boost::json;

/// Which JSON is read: a whole event in structured mode, or the data alone.
enum class JsonIs { event, data };

/// Parses JSON of an event. A byte order mark in front is skipped. A lone surrogate in a text
/// becomes U+FFFD. Elsewhere it is malformed, because two ids could become the same one.
/// Errors: bad_event.
Result<json::value> parse_event_json(std::string_view bytes, JsonIs what, Adapted& adapted);

/// `text` as it is stored: without a byte order mark in front and without zero bytes, which
/// PostgreSQL does not take. Offsets of chunks count the code points of this text.
std::string storable_text(std::string text, Adapted& adapted);

}  // namespace memseal::wire
