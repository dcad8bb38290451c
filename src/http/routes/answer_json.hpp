#pragma once
// How results, timings and problems look in JSON; the same in a stream and in a whole answer.
#include "cases/query/answer.hpp"
#include "http/server/message.hpp"
#include "pure/wire/problem.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>

namespace memseal::http {

namespace json = boost::json;

json::object hit_json(const query::Hit& hit);
/// Null for an empty text.
json::value text_or_null(const std::string& text);
/// Where in its document a passage stands; null where the document has neither pages nor headings.
json::value place_json(const crypto::Passage& passage);
/// What was sealed beside a text, without the label of a turn and the place; null where there is
/// nothing.
json::value meta_json(const std::string& text);
/// embed_ms, search_ms, open_ms, rerank_ms, total_ms.
json::object timings_json(const query::Timings& timings);
/// The fallback's name; null without a fallback.
json::value fallback_json(query::Fallback fallback);
/// Value of the Server-Timing field, e.g. `embed;dur=1.2, search;dur=3.4`.
std::string server_timing(const query::Timings& timings);
/// `error` as problem+json, as an object.
json::object problem_object(const Error& error, std::string_view request_id);
/// Adds to a problem the members that the clients of a service read.
void add_client_error(Response& problem, wire::ErrorShape shape);

}  // namespace memseal::http
