#include "http/routes/admission.hpp"
#include "http/routes/answer_json.hpp"
#include "http/routes/audit_trail.hpp"
#include "http/routes/foreign_request.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/router.hpp"
#include "http/server/cors.hpp"
#include "http/server/front_door.hpp"

#include "base/assert.hpp"
#include "pure/wire/sse.hpp"
#include "runtime/log.hpp"

#include <memory>
#include <utility>

namespace memseal::http {

namespace {

using runtime::LogLevel;

Outcome respond(Response response) {
  const int status = response.status;
  return {std::move(response), status};
}

std::size_t body_bytes_max(const Route& route, const ServerContext& server) {
  return route.body_bytes_max > 0 ? route.body_bytes_max : server.options.body_bytes_max;
}

bool changes_admin_state(const Route& route) {
  return route.scope == Scope::admin && route.method != "GET";
}

/// Whether the page is for this machine alone. A foreign page must not read it by a name that it
/// has resolved to a loopback address (DNS rebinding). The start page names a user and is for the
/// person at this machine, whatever the address.
bool is_private_page(const Call& call, const Route& route) {
  const auto& address = call.exchange.server.options.address;
  return route.scope == Scope::start_page ||
         (route.scope == Scope::admin && (address == "127.0.0.1" || address == "::1"));
}

std::optional<Response> check_media_type(const Call& call) {
  const auto type = call.head.field("content-type");
  const auto encoding = call.head.field("content-encoding");
  if (type && is_json(*type) && call.head.count("content-encoding") == (encoding ? 1 : 0) &&
      (!encoding || equal_ignoring_case(*encoding, "identity")))
    return {};
  const Error error{Errc::unsupported_media_type,
                    "send application/json in UTF-8, without a content encoding"};
  return problem(error, call.context.id);
}

Response body_problem(const Exchange& exchange, const Refusal& refusal, std::size_t bytes_max) {
  if (refusal.status == 413)
    return problem({Errc::payload_too_large,
                    "the body is larger than " + std::to_string(bytes_max) + " bytes"},
                   exchange.context.id);
  return protocol_problem(refusal.status, refusal.detail, exchange.context.id);
}

/// The one place where an exception of a request becomes an Error. What no code of ours threw is a
/// bug: the log has its words, the client reads "Internal error".
Error error_of(const std::exception_ptr& failure, const Exchange& exchange) {
  std::string what;
  try {
    std::rethrow_exception(failure);
  } catch (const Failure& failed) {
    return failed.error();
  } catch (const std::exception& unexpected) {
    what = unexpected.what();
  } catch (...) {
    what = "not a std::exception";
  }
  runtime::log(LogLevel::error, "http.request_failed",
               {{"request_id", exchange.context.id}, {"route", exchange.route}, {"cause", what}});
  return {Errc::internal, "the request failed"};
}

Error error_of(AbortReason aborted) {
  if (aborted == AbortReason::deadline) return {Errc::timeout, "the answer was not ready in time"};
  return {Errc::shutting_down, "this server is shutting down"};
}

LogLevel level_of(Severity severity) {
  switch (severity) {
    case Severity::debug: return LogLevel::debug;
    case Severity::info: return LogLevel::info;
    case Severity::warn: return LogLevel::warn;
    case Severity::error: return LogLevel::error;
  }
  return LogLevel::error;
}

asio::awaitable<void> work_on(Call& call, Work work, std::optional<Response>& response) {
  response = co_await work(call);
}

Outcome client_gone(Exchange& exchange) {
  // The answer had its status before the client left, so only the end of the stream is counted.
  if (exchange.stream)
    exchange.stream->count(exchange.session.write_timed_out() ? StreamEnd::write_failed
                                                              : StreamEnd::client_closed);
  return {.response = {}, .status = 499};
}

asio::awaitable<Outcome> fail(Call& call, Error error, AbortReason aborted) {
  auto& exchange = call.exchange;
  const auto& row = errc_row(error.code);
  runtime::log(level_of(row.severity), "http.request_problem",
               {{"request_id", exchange.context.id}, {"route", exchange.route},
                {"code", errc_name(error.code)}, {"cause", error.message}});
  if (!exchange.stream) {
    auto response = problem(error, exchange.context.id);
    // A second is enough for another process, or for a queue that is full.
    if (row.http_status == 503 && row.retryable) response.fields.push_back({"Retry-After", "1"});
    co_return respond(std::move(response));
  }
  co_await fail_stream(call, error);
  exchange.stream->count(aborted == AbortReason::shutting_down ? StreamEnd::shutting_down
                                                               : StreamEnd::failed,
                         errc_name(error.code));
  co_return Outcome{.response = {}, .status = row.http_status};
}

asio::awaitable<Outcome> run_work(Call& call, const Route& route) {
  auto& exchange = call.exchange;
  std::optional<Response> response;
  // A handler of exceptions cannot co_await, so the failure is kept and answered below.
  std::exception_ptr failure;
  AbortReason aborted = AbortReason::none;
  try {
    aborted = co_await exchange.session.run_abortable(work_on(call, route.work, response),
                                                      route.cancel_on_disconnect,
                                                      exchange.context.deadline.at());
  } catch (const ConnectionLost&) {
    aborted = AbortReason::client_gone;
  } catch (const BodyRefused& refused) {
    // A stream has sent its status already, so the refusal becomes its last event.
    if (exchange.stream)
      failure = std::make_exception_ptr(
          Refused({Errc::bad_request, std::string(refused.refusal().detail)}));
    else
      response = body_problem(exchange, refused.refusal(), body_bytes_max(route, exchange.server));
  } catch (...) {
    failure = std::current_exception();
  }
  if (aborted == AbortReason::client_gone) co_return client_gone(exchange);
  if (exchange.content_begun && (failure || aborted != AbortReason::none)) {
    // The client sees by the length that the content was cut.
    const auto error = failure ? error_of(failure, exchange) : error_of(aborted);
    runtime::log(LogLevel::warn, "http.content_cut",
                 {{"request_id", exchange.context.id}, {"route", exchange.route},
                  {"cause", error.message}});
    exchange.session.kill();
    co_return Outcome{.response = {}, .status = errc_row(error.code).http_status};
  }
  if (call.accepted && (failure || aborted != AbortReason::none)) {
    if (failure) error_of(failure, exchange);  // for the log
    co_return respond(std::move(*call.accepted));
  }
  if (failure) co_return co_await fail(call, error_of(failure, exchange), aborted);
  if (aborted != AbortReason::none) co_return co_await fail(call, error_of(aborted), aborted);
  if (response) co_return respond(std::move(*response));
  co_return Outcome{};
}

/// Makes the body ready as the route wants it. Returns the answer where the body is refused.
asio::awaitable<std::optional<Response>> prepare_body(Call& call, const Route& route) {
  const auto bytes_max = body_bytes_max(route, call.exchange.server);
  if (route.body == BodyKind::stream) call.body_stream.emplace(call.exchange.session, bytes_max);
  if (route.body != BodyKind::json) co_return std::nullopt;
  if (auto refused = check_media_type(call)) co_return refused;
  std::optional<Refusal> refusal;
  bool is_lost = false;
  try {
    call.body = co_await call.exchange.session.read_body(bytes_max);
  } catch (const BodyRefused& refused) {
    refusal = refused.refusal();
  } catch (const ConnectionLost&) {
    is_lost = true;
  }
  if (!refusal && !is_lost) co_return std::nullopt;
  // A request that never arrived takes nothing, but for one that took of what all share.
  if (call.bucket && call.exchange.session.holds_bytes()) {
    call.context.deadline =
        runtime::Deadline::after(call.exchange.server.options.request_deadline);
    const auto limited = co_await charge(call, 0);
    if (limited && !is_lost) co_return limited;
  }
  if (is_lost) throw ConnectionLost("closed inside a body");
  co_return body_problem(call.exchange, *refusal, bytes_max);
}

/// Whether an event-stream client reconnects after the end of its query. 204 tells it to stop
/// (WHATWG HTML, "server-sent events"); anything else would answer the same question every few
/// seconds.
bool reconnects_in_vain(const Call& call, const Route& route) {
  const auto last = call.head.field("last-event-id");
  return last && route.work == post_query && wire::is_last_sse_id(*last);
}

/// The limiter's part before the body. A request without a body and parameters is known to be valid
/// by now.
asio::awaitable<std::optional<Response>> admit(Call& call, const Route& route) {
  if (!route.bucket) co_return std::nullopt;
  if (auto refused = refuse_early(call)) co_return refused;
  if (route.body != BodyKind::none || route.has_parameters) co_return std::nullopt;
  co_return co_await charge(call, 0);
}

/// Takes a place for a request of the caller, where places are counted. Returns the answer where
/// the user has all of them.
std::optional<Response> take_place(Call& call) {
  const auto& server = call.exchange.server;
  call.exchange.session.hold_for(call.who->tenant);
  if (!server.options.door) return std::nullopt;
  if (auto taken = server.options.door->users.enter(call.who->tenant)) {
    call.exchange.user_place.emplace(std::move(*taken));
    return std::nullopt;
  }
  call.exchange.server.metrics.user_refusals.Increment();
  auto response = problem({Errc::rate_limited,
                           "too many requests of this user are under way: wait for their answers"},
                          call.context.id);
  response.fields.push_back({"Retry-After", "1"});
  return response;
}

asio::awaitable<Outcome> handle_api(Call& call, const Route& route) {
  // Before the body, because a stranger must not make this process hold one. The 204 comes before
  // the limiter, because a client that must stop asking need not pay for the answer.
  auto refused = authenticate(call);
  if (refused) co_return respond(std::move(*refused));
  refused = take_place(call);
  if (refused) co_return respond(std::move(*refused));
  if (reconnects_in_vain(call, route)) co_return respond({.status = 204});
  call.bucket = route.bucket;
  refused = co_await admit(call, route);
  if (refused) co_return respond(std::move(*refused));
  if (route.time_max.count() > 0)
    call.context.deadline = runtime::Deadline::after(route.time_max);
  refused = co_await prepare_body(call, route);
  if (refused) co_return respond(std::move(*refused));
  // The work has its whole time, because otherwise a client that sends its body slowly makes
  // dependencies look late.
  if (route.body == BodyKind::json)
    call.context.deadline = runtime::Deadline::after(
        route.time_max.count() > 0 ? route.time_max
                                   : call.exchange.server.options.request_deadline);
  auto outcome = co_await run_work(call, route);
  // A route that forgot the limiter would be open to everybody.
  MEMSEAL_ASSERT(!route.bucket || call.charged || outcome.status >= 400);
  // What must be in the audit log before it is done; HEAD does nothing.
  MEMSEAL_ASSERT(route.weight != auditing::Weight::guarded || call.is_recorded ||
                 outcome.status >= 400 || call.head.method == "HEAD");
  co_return outcome;
}

/// Answers a route that does no I/O. Reads the body first, although the route needs none, because a
/// request that never arrived whole must change nothing (RFC 9112 §8).
asio::awaitable<Outcome> handle_at_once(Call& call, const Route& route) {
  if (const auto why = foreign_request(call.head);
      why && (changes_admin_state(route) || is_private_page(call, route)))
    co_return respond(protocol_problem(403, *why, call.context.id));
  if (changes_admin_state(route))
    if (auto refused = check_operator(call)) co_return respond(std::move(*refused));
  const auto bytes_max = body_bytes_max(route, call.exchange.server);
  std::optional<Refusal> refusal;
  try {
    co_await call.exchange.session.read_body(bytes_max);
  } catch (const BodyRefused& refused) {
    refusal = refused.refusal();
  }
  if (refusal) co_return respond(body_problem(call.exchange, *refusal, bytes_max));
  co_return respond(route.at_once(call));
}

asio::awaitable<Outcome> dispatch(Call& call, std::span<const Route> routes) {
  // OPTIONS * asks about the server as a whole (RFC 9110 §9.3.7).
  if (call.head.target == "*")
    co_return respond({.status = 204, .fields = {{"Allow", "GET, HEAD, POST, DELETE, OPTIONS"}}});
  const auto path = normal_path(call.head.path());
  auto match = find_route(routes, call.deps, call.head.method, path);
  call.errors = match.errors;
  if (match.pattern.empty()) co_return respond(not_found(call));
  call.exchange.route = match.pattern;
  if (call.head.method == "OPTIONS")
    add_preflight_fields(call.deps.cors_origins, call.head, match.methods, call.exchange.fields);
  // A 405 must name the methods (RFC 9110 §15.5.6).
  const OutField allow{"Allow", std::move(match.methods)};
  if (call.head.method == "OPTIONS") co_return respond({.status = 204, .fields = {allow}});
  if (match.route == nullptr) {
    const Error error{Errc::method_not_allowed, "this resource does not support this method"};
    auto response = problem(error, call.context.id);
    response.fields.push_back(allow);
    co_return respond(std::move(response));
  }
  call.id = std::move(match.id);
  call.route = match.route;
  call.exchange.is_read =
      match.route->method == "GET" || match.route->bucket == ports::Bucket::query;
  call.exchange.is_routine = match.route->at_once != nullptr && match.route->method == "GET";
  if (match.route->at_once != nullptr) co_return co_await handle_at_once(call, *match.route);
  co_return co_await handle_api(call, *match.route);
}

/// The one place that gives problems the members which the clients of a service read.
Outcome shaped(Outcome outcome, wire::ErrorShape shape) {
  if (outcome.response && outcome.status >= 400 && shape != wire::ErrorShape::problem)
    add_client_error(*outcome.response, shape);
  return outcome;
}

/// Answers one request. The only place that catches what the work on a request throws.
asio::awaitable<Outcome> handle(const RouteDeps& deps, std::span<const Route> routes,
                                Exchange& exchange) {
  Call call(exchange, deps);
  add_cors_fields(deps.cors_origins, call.head, exchange.fields);
  std::exception_ptr failure;
  std::optional<Outcome> outcome;
  try {
    outcome = co_await dispatch(call, routes);
  } catch (const ConnectionLost&) {
    outcome = client_gone(exchange);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) outcome = respond(problem(error_of(failure, exchange), exchange.context.id));
  record_end(call, outcome->status);
  if (!outcome->response) co_return std::move(*outcome);
  co_return shaped(std::move(*outcome), call.errors);
}

}  // namespace

Response not_found(const Call& call) {
  return problem({Errc::not_found, "there is no such resource"}, call.context.id);
}

Handler make_handler(RouteDeps deps, std::span<const Route> routes) {
  for (const auto& route : routes) {
    MEMSEAL_ASSERT((route.at_once == nullptr) != (route.work == nullptr));
    MEMSEAL_ASSERT((route.scope == Scope::api) == (route.work != nullptr));
    // Because the watch on the connection would consume the body.
    MEMSEAL_ASSERT(!route.cancel_on_disconnect || route.body != BodyKind::stream);
  }
  // Shared, because a std::function may be copied while a request is answered.
  const auto shared = std::make_shared<const RouteDeps>(std::move(deps));
  return [shared, routes](Exchange& exchange) { return handle(*shared, routes, exchange); };
}

}  // namespace memseal::http
