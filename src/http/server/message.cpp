#include "http/server/message.hpp"

#include "pure/wire/line_safe.hpp"
#include "pure/wire/problem.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace memseal::http {

namespace {

constexpr std::string_view problem_type = "application/problem+json";

/// Calls `each` with the trimmed parts of a list; stops when it returns false.
template <class Each>
void split(std::string_view list, char separator, Each&& each) {
  while (true) {
    const auto end = list.find(separator);
    if (!each(trimmed(list.substr(0, end))) || end == std::string_view::npos) return;
    list.remove_prefix(end + 1);
  }
}

/// Quality of one Accept entry in thousandths; a malformed one counts as 0 (never chosen).
int quality_of(std::string_view parameters) {
  int quality = 1000;
  split(parameters, ';', [&](std::string_view parameter) {
    if (parameter.size() < 3 || codec::ascii_lower(parameter[0]) != 'q' || parameter[1] != '=')
      return true;
    const auto value = parameter.substr(2);
    quality = value[0] == '1' ? 1000 : 0;
    // At most three digits follow the point (RFC 9110 §12.4.2).
    int weight = 100;
    for (std::size_t i = 2; value[0] == '0' && i < value.size() && weight > 0; ++i, weight /= 10) {
      if (value[i] < '0' || value[i] > '9') break;
      quality += weight * (value[i] - '0');
    }
    return false;
  });
  return quality;
}

}  // namespace

std::string_view RequestHead::path() const noexcept {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view RequestHead::query() const noexcept {
  auto rest = std::string_view(target).substr(path().size());
  if (!rest.empty()) rest.remove_prefix(1);
  return rest;
}

std::size_t RequestHead::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(std::count_if(
      fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; }));
}

std::optional<std::string_view> RequestHead::field(std::string_view name) const noexcept {
  std::optional<std::string_view> found;
  for (const auto& field : fields) {
    if (field.name != name) continue;
    // Which of two lines counts is a guess, and a proxy may guess otherwise.
    if (found) return {};
    found = field.value;
  }
  return found;
}

std::optional<std::string> RequestHead::list(std::string_view name) const {
  std::optional<std::string> joined;
  for (const auto& field : fields) {
    if (field.name != name) continue;
    if (joined)
      joined->append(", ").append(field.value);
    else
      joined = field.value;
  }
  return joined;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

std::string head_text(int status, const std::vector<OutField>& fields) {
  std::string text;
  text.reserve(512);
  text.append("HTTP/1.1 ").append(std::to_string(status)).append(" ");
  text.append(reason_phrase(status)).append("\r\n");
  for (const auto& field : fields)
    text.append(field.name).append(": ").append(field.value).append("\r\n");
  return text;
}

std::string as_chunk(std::string_view bytes) {
  // The size in hex, the bytes, each followed by CRLF.
  char size[16];
  const auto end = std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr;
  std::string chunk(size, end);
  // One buffer, so that a small frame is one packet.
  chunk.append("\r\n").append(bytes).append("\r\n");
  return chunk;
}

std::string http_date(std::int64_t unix_s) {
  // Not strftime(), whose names of days follow the locale.
  static constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t time = unix_s;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[utc.tm_wday],
                utc.tm_mday, months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text;
}

Response problem(const Error& error, std::string_view request_id) {
  return {.status = errc_row(error.code).http_status,
          .content_type = std::string(problem_type),
          .body = wire::line_safe(wire::problem_json(error, request_id))};
}

Response protocol_problem(int status, std::string_view detail, std::string_view request_id) {
  const bool retryable = status == 408 || status == 503;
  const boost::json::object body{{"type", "about:blank"},
                                 {"title", reason_phrase(status)},
                                 {"status", status},
                                 {"detail", detail},
                                 {"code", errc_name(Errc::bad_request)},
                                 {"request_id", request_id},
                                 {"retryable", retryable}};
  return {.status = status,
          .content_type = std::string(problem_type),
          .body = boost::json::serialize(body)};
}

Media negotiate(std::optional<std::string_view> accept) noexcept {
  if (!accept || trimmed(*accept).empty()) return Media::json;
  int json = -1, any_application = -1, any = -1, stream = -1;
  split(*accept, ',', [&](std::string_view entry) {
    const auto semicolon = entry.find(';');
    const auto type = trimmed(entry.substr(0, semicolon));
    const auto quality =
        semicolon == std::string_view::npos ? 1000 : quality_of(entry.substr(semicolon + 1));
    if (equal_ignoring_case(type, "application/json")) json = quality;
    if (equal_ignoring_case(type, "application/*")) any_application = quality;
    if (equal_ignoring_case(type, "*/*")) any = quality;
    if (equal_ignoring_case(type, "text/event-stream")) stream = quality;
    return true;
  });
  // The more specific range decides (RFC 9110 §12.5.1).
  if (json < 0) json = any_application >= 0 ? any_application : any;
  // With equal preference the stream wins, because a client that names it can read it.
  if (stream > 0 && stream >= json) return Media::event_stream;
  return json > 0 ? Media::json : Media::neither;
}

bool is_json(std::string_view content_type) noexcept {
  const auto semicolon = content_type.find(';');
  if (!equal_ignoring_case(trimmed(content_type.substr(0, semicolon)), "application/json"))
    return false;
  if (semicolon == std::string_view::npos) return true;
  // JSON between systems is UTF-8 (RFC 8259 §8.1); old clients still say so.
  bool utf8 = true;
  split(content_type.substr(semicolon + 1), ';', [&](std::string_view parameter) {
    const auto equals = parameter.find('=');
    if (equals == std::string_view::npos ||
        !equal_ignoring_case(parameter.substr(0, equals), "charset"))
      return true;
    auto charset = parameter.substr(equals + 1);
    if (charset.size() >= 2 && charset.front() == '"' && charset.back() == '"')
      charset = charset.substr(1, charset.size() - 2);
    utf8 = equal_ignoring_case(charset, "utf-8");
    return utf8;
  });
  return utf8;
}

// No character that could end a header line or a field of a log.
bool is_request_id(std::string_view text) noexcept { return codec::is_plain_id(text); }

}  // namespace memseal::http
