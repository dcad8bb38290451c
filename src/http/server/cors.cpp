#include "http/server/cors.hpp"

#include <algorithm>
#include <optional>

namespace memseal::http {

namespace {

constexpr std::string_view readable_fields =
    "X-Request-ID, Location, Retry-After, RateLimit, RateLimit-Policy, X-RateLimit-Limit, "
    "X-RateLimit-Remaining, X-RateLimit-Reset, Server-Timing, X-Reranked-Count, "
    "Preference-Applied, WWW-Authenticate, Content-Disposition, Content-Range, ETag";
constexpr std::string_view preflight_seconds = "600";

/// The Origin of `head` if it is one of `origins`.
std::optional<std::string_view> allowed_origin(const std::vector<std::string>& origins,
                                               const RequestHead& head) {
  const auto origin = head.field("origin");
  if (!origin || std::find(origins.begin(), origins.end(), *origin) == origins.end()) return {};
  return origin;
}

/// Whether a list of field names holds only characters that are safe to repeat in an answer.
bool is_name_list(std::string_view names) {
  return std::all_of(names.begin(), names.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == ',' || c == ' ';
  });
}

/// Whether a browser may send `text` as an origin: a scheme, a host in lower case, perhaps a port.
bool is_origin(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    const auto authority = text.substr(scheme.size());
    return !authority.empty() && std::all_of(authority.begin(), authority.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' ||
             c == '[' || c == ']';
    });
  }
  return false;
}

}  // namespace

Result<std::vector<std::string>> parse_origins(std::string_view list) {
  std::vector<std::string> origins;
  while (!trimmed(list).empty()) {
    const auto comma = std::min(list.find(','), list.size());
    const auto origin = trimmed(list.substr(0, comma));
    if (!is_origin(origin))
      return Error{Errc::bad_config,
                   "must list origins as browsers send them, such as https://app.example or "
                   "http://localhost:3000"};
    origins.emplace_back(origin);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return origins;
}

void add_cors_fields(const std::vector<std::string>& origins, const RequestHead& head,
                     std::vector<OutField>& fields) {
  if (origins.empty()) return;
  fields.push_back({"Vary", "Origin"});
  const auto origin = allowed_origin(origins, head);
  if (!origin) return;
  fields.push_back({"Access-Control-Allow-Origin", std::string(*origin)});
  fields.push_back({"Access-Control-Expose-Headers", std::string(readable_fields)});
}

void add_preflight_fields(const std::vector<std::string>& origins, const RequestHead& head,
                          std::string_view methods, std::vector<OutField>& fields) {
  if (!allowed_origin(origins, head) || head.count("access-control-request-method") == 0) return;
  fields.push_back({"Access-Control-Allow-Methods", std::string(methods)});
  // All fields that the page asks for, because SDKs send many of their own.
  const auto names = head.list("access-control-request-headers");
  if (names && is_name_list(*names)) fields.push_back({"Access-Control-Allow-Headers", *names});
  fields.push_back({"Access-Control-Max-Age", std::string(preflight_seconds)});
}

}  // namespace memseal::http
