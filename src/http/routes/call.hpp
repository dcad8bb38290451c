#pragma once
// One request as a route sees it.
#include "http/routes/api.hpp"
#include "http/server/body_stream.hpp"
#include "http/server/session.hpp"
#include "pure/wire/problem.hpp"

#include <optional>
#include <string>
#include <vector>

namespace memseal::http {

/// Who asks, once the token is verified.
struct Principal {
  UserId user;
  crypto::Tenant tenant;
  std::string token_id = {};  ///< crypto::Claims::id
};

/// Lives until the request is answered.
struct Call {
  Call(Exchange& of, const RouteDeps& given) : exchange(of), deps(given) {}

  Exchange& exchange;
  const RouteDeps& deps;
  const RequestHead& head = exchange.head;
  runtime::RequestContext& context = exchange.context;  ///< id: the request id
  std::string id = {};                    ///< what "{id}" of the route's pattern stands for
  wire::ErrorShape errors = wire::ErrorShape::problem;  ///< of the route that answers
  std::optional<Principal> who = {};      ///< set on every route of Scope::api
  std::optional<ports::Bucket> bucket = {};  ///< of the route; empty: the request is free
  bool charged = false;                   ///< whether charge() was asked
  const Route* route = nullptr;           ///< that answers; null: none does
  bool is_operator = false;               ///< showed RouteDeps::admin_token
  bool is_recorded = false;               ///< whether record_begin() was asked
  /// Ids of the documents and files that the answer is about, for the audit log. Empty: that of the
  /// path, if there is one.
  std::vector<std::string> touched = {};
  std::string body = {};                  ///< of a route with BodyKind::json
  /// Answers where the work is cut short: what is accepted stays accepted, and is never a 504.
  std::optional<Response> accepted = {};
  std::optional<BodyStream> body_stream = {};  ///< of a route with BodyKind::stream
};

/// What a part of a long request may take, from now on; the request as a whole has longer.
inline runtime::RequestContext step_context(const Call& call) {
  return call.context.within(call.exchange.server.options.request_deadline);
}

}  // namespace memseal::http
