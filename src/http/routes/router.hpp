#pragma once
// Which route answers which path. Pure.
#include "http/routes/call.hpp"
#include "pure/wire/problem.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::http {

/// Which listeners serve a route.
enum class Scope {
  every_listener,  ///< without a token
  api,             ///< behind a token and the limiter; see RouteDeps::api
  admin,           ///< on the admin listener, orders with RouteDeps::admin_token
  start_page,      ///< without a token, where there is one; see RouteDeps::start_page
};

/// What a route reads of its request's body.
enum class BodyKind {
  none,
  json,    ///< application/json, held whole in Call::body
  stream,  ///< any type, read by the route itself from Call::body_stream
};

using AtOnce = Response (*)(Call&);
using Work = asio::awaitable<std::optional<Response>> (*)(Call&);

/// One method of one resource. Exactly one of `at_once` and `work` is set.
struct Route {
  std::string_view method;                ///< GET answers HEAD too
  std::string_view pattern;               ///< "/files/{id}/chunks": at most one "{id}", one segment
  Scope scope = Scope::every_listener;
  AtOnce at_once = nullptr;               ///< answers without I/O; every listener and admin only
  Work work = nullptr;                    ///< api only
  BodyKind body = BodyKind::none;
  bool cancel_on_disconnect = false;      ///< REQUIRES: not BodyKind::stream
  std::size_t body_bytes_max = 0;         ///< 0: Options::body_bytes_max
  std::chrono::milliseconds time_max{0};  ///< 0: Options::request_deadline
  wire::ErrorShape errors = wire::ErrorShape::problem;  ///< whose clients read its problems
  /// What its requests take from; empty: they are free. A route that reads a body or parameters
  /// calls charge() itself, once the request is known to be valid.
  std::optional<ports::Bucket> bucket = {};
  bool has_parameters = false;            ///< it reads the query of the target
  /// "{id}" may stand for a text with slashes, each as %2F: ids of documents are often paths.
  /// REQUIRES: the same for all routes of one pattern.
  bool slash_in_id = false;
  std::string_view action = {};           ///< its name in the audit log; empty: not recorded
  auditing::Weight weight = auditing::Weight::read;
};

/// What answers a request.
struct Match {
  const Route* route = nullptr;           ///< null: none takes this method, see `methods`
  std::string_view pattern = {};          ///< empty: no route has this path
  std::string id = {};                    ///< what "{id}" stands for, percent-decoded
  std::string methods = {};               ///< value of the Allow field for this path
  /// The shape of the errors of this path. A path without a route has that of the service whose
  /// paths begin alike, so that clients can show why it is unknown.
  wire::ErrorShape errors = wire::ErrorShape::problem;
};

/// `path` with the characters that need no percent-encoding decoded: `/%68ealth` is `/health`
/// (RFC 9110 §4.2.3). A path with a malformed percent-encoding stays as it is, because a second
/// decoding would read it otherwise than a proxy in front.
std::string normal_path(std::string_view path);

/// Finds the route for a path. Where several patterns match, a literal segment wins over "{id}" at
/// the first place where they differ, whatever their methods. An id is 1 to 255 bytes of UTF-8
/// after percent-decoding, without control characters and ends of text (NUL), and without '/' but
/// where Route::slash_in_id says so: a path with another id matches no pattern.
Match find_route(std::span<const Route> routes, const RouteDeps& deps, std::string_view method,
                 std::string_view path);

}  // namespace memseal::http
