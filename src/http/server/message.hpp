#pragma once
// Requests and responses as plain values: what the routes see of HTTP.
#include "base/result.hpp"
#include "pure/codec/ascii.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::http {

/// Name in lower case and value without outer blanks.
struct Field {
  std::string name;
  std::string value;
};

/// A request up to its body. check_head() has passed, so its framing is unambiguous.
struct RequestHead {
  std::string method;                     ///< as sent, e.g. "GET"
  std::string target;                     ///< as sent, e.g. "/ready?verbose"
  int minor_version = 1;                  ///< HTTP/1.x
  std::vector<Field> fields;
  bool keep_alive = true;
  bool expects_continue = false;
  bool has_body = false;
  std::optional<std::uint64_t> content_length;  ///< empty for a chunked body

  /// The target up to '?'.
  std::string_view path() const noexcept;
  /// The target behind '?'; empty where there is none.
  std::string_view query() const noexcept;
  /// The only field of this name (in lower case); empty if the head has no such field, or several.
  std::optional<std::string_view> field(std::string_view name) const noexcept;
  std::size_t count(std::string_view name) const noexcept;
  /// All fields of this name, joined as the members of one list; empty if there is no such field.
  std::optional<std::string> list(std::string_view name) const;
};

/// A field we send. Its name is a literal, so an answer's dozen names cost no allocation.
struct OutField {
  std::string_view name;
  std::string value;
};

/// A whole answer. Framing, date, request id and connection fields are added when it is written.
struct Response {
  int status = 200;
  std::string content_type = {};          ///< empty: no body
  std::string body = {};
  std::vector<OutField> fields = {};
};

std::string_view reason_phrase(int status) noexcept;

/// Status line and fields, each line ended; without the empty line that ends the head.
std::string head_text(int status, const std::vector<OutField>& fields);

/// `bytes` as one chunk of a body in parts (RFC 9112 §7.1). REQUIRES: not empty.
std::string as_chunk(std::string_view bytes);
/// What ends such a body. One that broke off has none, so the client can tell.
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

/// IMF-fixdate of RFC 9110, e.g. "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(std::int64_t unix_s);

/// A problem document for `error`, by the one table of wire/problem.
Response problem(const Error& error, std::string_view request_id);
/// A problem of the protocol itself, which has no error code of its own: 408, 417, 431 and so on.
Response protocol_problem(int status, std::string_view detail, std::string_view request_id);

/// What a client accepts.
enum class Media { json, event_stream, neither };
/// By the Accept field (RFC 9110 §12.5.1): an event stream only where it is asked for by name and
/// preferred to or as good as JSON; JSON for no field and for wildcards.
Media negotiate(std::optional<std::string_view> accept) noexcept;

/// True for application/json, with or without parameters; charset, if given, must be utf-8.
bool is_json(std::string_view content_type) noexcept;

using codec::equal_ignoring_case;
using codec::trimmed;
/// A request id we may echo: [A-Za-z0-9._-]{1,64}.
bool is_request_id(std::string_view text) noexcept;

}  // namespace memseal::http
