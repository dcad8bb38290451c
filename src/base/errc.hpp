#pragma once
// The one table of errors: what a client, a retry loop, ingest and the log make of each code.
#include <array>
#include <cstddef>
#include <string_view>

namespace memseal {

/// Every error memseal can name.
enum class Errc {
  // What a client sent.
  bad_json,
  bad_request,
  invalid_field,
  unauthenticated,
  user_mismatch,
  not_found,
  method_not_allowed,
  not_acceptable,
  unsupported_media_type,
  payload_too_large,
  file_encrypted,
  file_damaged,
  file_without_text,
  rate_limited,
  // What a producer sent.
  bad_event,
  event_too_large,
  event_without_user,
  event_type_unknown,
  tenant_erased,
  signature_invalid,
  producer_denied,
  // What this process could not do.
  overloaded,
  timeout,
  cancelled,
  shutting_down,
  unavailable,
  internal,
  // Sealing.
  seal_failed,
  open_failed,
  key_missing,
  key_invalid,
  // Models.
  no_model,
  model_invalid,
  model_unsupported,
  // Set-up.
  bad_config,
  not_migrated,
  dimension_mismatch,
  not_isolated,
};

/// NOTE: names the last code; a new last code moves it, and the table below then lacks a row.
inline constexpr std::size_t errc_count = static_cast<std::size_t>(Errc::not_isolated) + 1;

/// The level at which the log records an error.
enum class Severity { debug, info, warn, error };

/// What makes an error go away.
enum class Remedy {
  none,   ///< nothing: this request or event never succeeds as it is
  time,   ///< waiting: the error is transient
  setup,  ///< an operator: a setting, a model or the schema is wrong, for every tenant alike
};

/// What clients, retry loops, ingest and the log make of one code.
struct ErrcRow {
  Errc code;
  std::string_view name;   ///< stable spelling in problems, dead letters, logs and metrics
  int http_status;
  std::string_view title;  ///< for clients
  bool retryable;          ///< for clients: the same request may succeed later
  Severity severity;
  Remedy remedy;

  /// Transient errors are thrown as `Outage`, all others as `Refused` (result.hpp).
  constexpr bool transient() const noexcept { return remedy == Remedy::time; }
  /// Ingest waits for an operator, limits::ingest_setup_patience at most, then ends the process.
  constexpr bool setup() const noexcept { return remedy == Remedy::setup; }
};

namespace detail {

constexpr std::array<ErrcRow, errc_count> errc_rows() {
  using enum Errc;
  using enum Severity;
  using enum Remedy;
  constexpr bool once = false, again = true;
  return {{
      {bad_json, "bad_json", 400, "The body is not acceptable JSON", once, info, none},
      {bad_request, "bad_request", 400, "The request is malformed", once, info, none},
      {invalid_field, "invalid_field", 422, "A field is not valid", once, info, none},
      {unauthenticated, "unauthenticated", 401, "A valid bearer token is required", once, info,
       none},
      {user_mismatch, "user_mismatch", 403, "The token is for another user", once, warn, none},
      {not_found, "not_found", 404, "Not found", once, info, none},
      {method_not_allowed, "method_not_allowed", 405, "Method not allowed", once, info, none},
      {not_acceptable, "not_acceptable", 406, "None of the accepted media types is available",
       once, info, none},
      {unsupported_media_type, "unsupported_media_type", 415, "Unsupported media type", once, info,
       none},
      {payload_too_large, "payload_too_large", 413, "The body is too large", once, info, none},
      {file_encrypted, "file_encrypted", 422, "The file is protected by a password", once, info,
       none},
      {file_damaged, "file_damaged", 422, "The file is damaged", once, info, none},
      {file_without_text, "file_without_text", 422, "The file holds no text", once, info, none},
      {rate_limited, "rate_limited", 429, "Too many requests", again, info, none},
      {bad_event, "bad_event", 422, "The event is malformed", once, warn, none},
      {event_too_large, "event_too_large", 413, "The event is too large", once, warn, none},
      {event_without_user, "event_without_user", 422, "The event names no user", once, warn, none},
      {event_type_unknown, "event_type_unknown", 422, "The event type is unknown", once, warn,
       none},
      {tenant_erased, "tenant_erased", 410, "The memory of this user was erased", once, info,
       none},
      {signature_invalid, "signature_invalid", 401, "The event is not signed as it must be", once,
       warn, none},
      {producer_denied, "producer_denied", 403, "The producer may not write this event", once, warn,
       none},
      {overloaded, "overloaded", 503, "The service is overloaded", again, warn, time},
      {timeout, "timeout", 504, "The request timed out", again, warn, time},
      {cancelled, "cancelled", 499, "The client closed the request", again, info, time},
      {shutting_down, "shutting_down", 503, "The service is shutting down", again, info, time},
      {unavailable, "unavailable", 503, "A dependency is unavailable", again, error, time},
      {internal, "internal", 500, "Internal error", once, error, none},
      {seal_failed, "seal_failed", 500, "Internal error", once, error, none},
      {open_failed, "open_failed", 500, "Internal error", once, error, none},
      {key_missing, "key_missing", 500, "Internal error", once, error, none},
      {key_invalid, "key_invalid", 500, "Internal error", once, error, none},
      {no_model, "no_model", 503, "No model is configured for this endpoint", once, info, setup},
      {model_invalid, "model_invalid", 503, "The service is not set up", once, error, setup},
      {model_unsupported, "model_unsupported", 503, "The service is not set up", once, error,
       setup},
      {bad_config, "bad_config", 503, "The service is not set up", once, error, setup},
      {not_migrated, "not_migrated", 503, "The service is not set up", once, error, setup},
      {dimension_mismatch, "dimension_mismatch", 503, "The service is not set up", once, error,
       setup},
      {not_isolated, "not_isolated", 503, "The service is not set up", once, error, setup},
  }};
}

}  // namespace detail

inline constexpr auto errc_table = detail::errc_rows();

static_assert(
    [] {
      for (std::size_t i = 0; i < errc_count; ++i)
        if (errc_table[i].code != static_cast<Errc>(i) || errc_table[i].name.empty()) return false;
      return true;
    }(),
    "the rows of errc_table stand in the order of Errc");
static_assert(
    [] {
      for (const auto& row : errc_table)
        if (row.transient() && !row.retryable) return false;
      return true;
    }(),
    "a client may retry whatever this process waits for");

constexpr const ErrcRow& errc_row(Errc code) noexcept {
  return errc_table[static_cast<std::size_t>(code)];
}

constexpr std::string_view errc_name(Errc code) noexcept { return errc_row(code).name; }

/// The row whose `name` is `name`; null where this program knows no such code, for example because
/// the text comes from a newer release.
constexpr const ErrcRow* find_errc(std::string_view name) noexcept {
  for (const auto& row : errc_table)
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace memseal
