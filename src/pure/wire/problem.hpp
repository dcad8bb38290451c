#pragma once
// Errors as clients read them (RFC 9457). Status, title and retry come from base/errc.hpp.
#include "base/result.hpp"

#include <string>
#include <string_view>

namespace boost::json {
class object;
}

namespace memseal::wire {

/// The service whose clients a route serves, and whose error members its problems carry too.
enum class ErrorShape { problem, openai, cohere, tei };

/// The field of an Errc::unavailable whose sentence is for clients: Kafka is away. Every other such
/// sentence stays inside.
inline constexpr std::string_view kafka_is_away = "kafka";

/// An `application/problem+json` body: type, title, status, detail, code, request_id, retryable,
/// and field where known.
/// NOTE: the title replaces the detail for codes of Severity::error, so that no internals leave,
/// and for not_found and unauthenticated, so that all their causes look alike.
std::string problem_json(const Error& error, std::string_view request_id);

/// Adds to a problem document the members that the clients of a service read, because those show
/// nothing of a bare problem document:
///   openai  "error": {"message", "type", "param", "code"}
///   cohere  "message"
///   tei     "error" and "error_type"
/// The message names the field, because clients show nothing else. REQUIRES: `problem` holds
/// status, detail and code.
void add_client_error(boost::json::object& problem, ErrorShape shape);

}  // namespace memseal::wire
