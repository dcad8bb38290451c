#include "pure/wire/problem.hpp"

#include "pure/codec/json.hpp"

#include <boost/json/object.hpp>

namespace memseal::wire {

namespace {

constexpr ProblemKind row(int status, std::string_view title, bool retryable, Severity severity) {
  return {status, title, retryable, severity};
}

constexpr bool once = false, again = true;

constexpr ProblemKind bad_json = row(400, "The body is not acceptable JSON", once, Severity::info);
constexpr ProblemKind bad_request = row(400, "The request is malformed", once, Severity::info);
constexpr ProblemKind invalid_field = row(422, "A field is not valid", once, Severity::info);
constexpr ProblemKind unauthenticated =
    row(401, "A valid bearer token is required", once, Severity::info);
constexpr ProblemKind user_mismatch =
    row(403, "The token speaks for another user", once, Severity::warn);
constexpr ProblemKind not_found = row(404, "There is no such thing here", once, Severity::info);
constexpr ProblemKind method_not_allowed =
    row(405, "The method is not allowed here", once, Severity::info);
constexpr ProblemKind not_acceptable =
    row(406, "None of the accepted types can be sent", once, Severity::info);
constexpr ProblemKind unsupported_media_type =
    row(415, "The body's type is not supported", once, Severity::info);
constexpr ProblemKind payload_too_large = row(413, "The body is too large", once, Severity::info);
constexpr ProblemKind rate_limited = row(429, "Too many requests", again, Severity::info);
constexpr ProblemKind bad_event = row(422, "The event is malformed", once, Severity::warn);
constexpr ProblemKind event_too_large = row(413, "The event is too large", once, Severity::warn);
constexpr ProblemKind event_without_user =
    row(422, "The event names no user", once, Severity::warn);
constexpr ProblemKind event_type_unknown =
    row(422, "The event's type is not known", once, Severity::warn);
constexpr ProblemKind tenant_erased =
    row(410, "This user's memory was erased", once, Severity::info);
constexpr ProblemKind overloaded = row(503, "The service is busy", again, Severity::warn);
constexpr ProblemKind timeout = row(504, "The answer took too long", again, Severity::warn);
constexpr ProblemKind cancelled = row(499, "The client went away", again, Severity::info);
constexpr ProblemKind shutting_down =
    row(503, "The service is shutting down", again, Severity::info);
constexpr ProblemKind unavailable =
    row(503, "A part of the service is away", again, Severity::error);
constexpr ProblemKind internal = row(500, "Something went wrong inside", once, Severity::error);
constexpr ProblemKind no_model = row(503, "No model answers this here", once, Severity::info);
constexpr ProblemKind not_ready = row(503, "The service is not set up", once, Severity::error);

}  // namespace

// Table: one line an error.
const ProblemKind& problem_kind(Errc code) noexcept {
  switch (code) {
    case Errc::bad_json:
      return bad_json;
    case Errc::bad_request:
      return bad_request;
    case Errc::invalid_field:
      return invalid_field;
    case Errc::unauthenticated:
      return unauthenticated;
    case Errc::user_mismatch:
      return user_mismatch;
    case Errc::not_found:
      return not_found;
    case Errc::method_not_allowed:
      return method_not_allowed;
    case Errc::not_acceptable:
      return not_acceptable;
    case Errc::unsupported_media_type:
      return unsupported_media_type;
    case Errc::payload_too_large:
      return payload_too_large;
    case Errc::rate_limited:
      return rate_limited;
    case Errc::bad_event:
      return bad_event;
    case Errc::event_too_large:
      return event_too_large;
    case Errc::event_without_user:
      return event_without_user;
    case Errc::event_type_unknown:
      return event_type_unknown;
    case Errc::tenant_erased:
      return tenant_erased;
    case Errc::overloaded:
      return overloaded;
    case Errc::timeout:
      return timeout;
    case Errc::cancelled:
      return cancelled;
    case Errc::shutting_down:
      return shutting_down;
    case Errc::unavailable:
      return unavailable;
    case Errc::internal:
    case Errc::seal_failed:
    case Errc::open_failed:
    case Errc::key_missing:
    case Errc::key_invalid:
      return internal;
    case Errc::no_model:
      return no_model;
    case Errc::model_invalid:
    case Errc::model_unsupported:
    case Errc::bad_config:
    case Errc::not_migrated:
    case Errc::dimension_mismatch:
      return not_ready;
  }
  return internal;
}

std::string problem_json(const Error& error, std::string_view request_id) {
  const auto& kind = problem_kind(error.code);
  // What is not yours reads as what does not exist, and every bad token as every other.
  const bool silent = kind.severity == Severity::error || error.code == Errc::not_found ||
                      error.code == Errc::unauthenticated || error.message.empty();
  json::object problem{{"type", std::string("urn:memseal:problem:").append(errc_name(error.code))},
                       {"title", kind.title},
                       {"status", kind.http_status},
                       {"detail", silent ? kind.title : std::string_view(error.message)},
                       {"code", errc_name(error.code)},
                       {"request_id", request_id},
                       {"retryable", kind.retryable}};
  if (!silent && !error.field.empty()) problem["field"] = error.field;
  return compact_json(problem);
}

}  // namespace memseal::wire
