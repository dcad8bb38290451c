#include "http/routes/router.hpp"

#include "pure/codec/url.hpp"
#include "pure/codec/utf8.hpp"

#include <algorithm>
#include <utility>

namespace memseal::http {

namespace {

constexpr std::string_view id_segment = "{id}";
constexpr std::size_t id_bytes_max = 255;

/// Takes the first segment off a path; `path` begins with '/'.
std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  const auto segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

/// Whether a path has the shape of a pattern. `raw_id` becomes the segment at "{id}", encoded.
bool matches(std::string_view pattern, std::string_view path, std::string_view& raw_id) {
  while (!pattern.empty() && !path.empty()) {
    if (path.front() != '/') return false;
    const auto wanted = take_segment(pattern), given = take_segment(path);
    // An id stays encoded until it is split off, so that an escape in it cannot change the path.
    if (wanted == id_segment)
      raw_id = given;
    else if (wanted != given)
      return false;
  }
  return pattern.empty() && path.empty();
}

/// Whether `a` has a literal segment where `b` has "{id}", at the first place where they differ.
bool is_more_literal(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const auto x = take_segment(a), y = take_segment(b);
    if (x != y) return y == id_segment;
  }
  return false;
}

std::optional<std::string> id_of(std::string_view raw, bool may_have_slash) {
  auto id = codec::percent_decode(raw);
  if (!id || id->empty() || id->size() > id_bytes_max || !codec::is_utf8(*id)) return {};
  const bool forbidden = std::any_of(id->begin(), id->end(), [&](char c) {
    // An encoded slash would be another path to a proxy that decodes it.
    return (c == '/' && !may_have_slash) || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (forbidden) return {};
  return id;
}

bool is_served(const Route& route, const RouteDeps& deps) {
  switch (route.scope) {
    case Scope::every_listener: return true;
    case Scope::api: return deps.api != nullptr;
    case Scope::admin: return deps.admin;
    case Scope::start_page: return deps.start_page != nullptr;
  }
  return false;
}

wire::ErrorShape shape_of_unknown(std::string_view path) {
  if (path.starts_with("/v1/")) return wire::ErrorShape::openai;
  if (path.starts_with("/v2/") || path.starts_with("/api/v2/")) return wire::ErrorShape::cohere;
  return wire::ErrorShape::problem;
}

Match no_match(std::string_view path) { return {.errors = shape_of_unknown(path)}; }

bool takes(const Route& route, std::string_view method) {
  return method == route.method || (method == "HEAD" && route.method == "GET");
}

bool needs_no_encoding(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

std::string normal_path(std::string_view path) {
  if (path.find('%') == path.npos || !codec::percent_decode(path)) return std::string(path);
  std::string normal;
  while (!path.empty()) {
    // Every escape is well-formed here, so a percent sign has two digits behind it.
    const auto encoded = path.substr(0, 3);
    const auto decoded = encoded.front() == '%' ? codec::percent_decode(encoded) : std::nullopt;
    const bool plain = decoded && decoded->size() == 1 &&
                       needs_no_encoding(static_cast<unsigned char>(decoded->front()));
    normal += plain ? decoded->front() : path.front();
    path.remove_prefix(plain ? encoded.size() : 1);
  }
  return normal;
}

Match find_route(std::span<const Route> routes, const RouteDeps& deps, std::string_view method,
                 std::string_view path) {
  // First the pattern, by the path alone. Then its methods, because a 405 names them, and a method
  // must not lead to a less literal pattern.
  Match match;
  std::string_view raw_id;
  bool slash_in_id = false;
  for (const auto& route : routes) {
    std::string_view raw;
    if (!is_served(route, deps) || !matches(route.pattern, path, raw)) continue;
    if (!match.pattern.empty() && !is_more_literal(route.pattern, match.pattern)) continue;
    match.pattern = route.pattern;
    slash_in_id = route.slash_in_id;
    raw_id = raw;
  }
  if (match.pattern.empty()) return no_match(path);
  if (match.pattern.find(id_segment) != std::string_view::npos) {
    auto id = id_of(raw_id, slash_in_id);
    if (!id) return no_match(path);
    match.id = std::move(*id);
  }
  for (const auto& route : routes) {
    if (!is_served(route, deps) || route.pattern != match.pattern) continue;
    match.errors = route.errors;
    match.methods.append(route.method).append(route.method == "GET" ? ", HEAD, " : ", ");
    if (takes(route, method)) match.route = &route;
  }
  match.methods += "OPTIONS";
  return match;
}

}  // namespace memseal::http
