#include "http/routes/routes.hpp"

#include "http/routes/answer_json.hpp"
#include "http/routes/handlers.hpp"

#include "pure/wire/problem.hpp"
#include "runtime/log.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace memseal::http {

namespace {

using runtime::LogLevel;
using AtOnce = Response (*)(Exchange&);
using Work = asio::awaitable<std::optional<Response>> (*)(Exchange&);

enum class On { every_listener, api, admin };

struct Route {
  std::string_view method;
  std::string_view pattern;               ///< may end in "/{id}"
  On where;
  AtOnce at_once = nullptr;
  Work work = nullptr;
  bool watched = false;                   ///< ends with its client; a write is carried through
};

constexpr std::array routes{
    Route{"GET", "/health", On::every_listener, get_health},
    Route{"GET", "/ready", On::every_listener, get_ready},
    Route{"GET", "/version", On::every_listener, get_version},
    Route{"GET", "/openapi.json", On::every_listener, get_openapi},
    Route{"GET", "/metrics", On::admin, get_metrics},
    Route{"GET", "/metrics/memory", On::admin, get_memory_metrics},
    Route{"POST", "/flags/rerank/on", On::admin, post_rerank_on},
    Route{"POST", "/flags/rerank/off", On::admin, post_rerank_off},
    Route{"POST", "/api/v1/memory/query", On::api, nullptr, post_query, true},
    Route{"POST", "/api/v1/memory/index", On::api, nullptr, post_index},
    Route{"GET", "/api/v1/operations/{id}", On::api, nullptr, get_operation},
    Route{"POST", "/api/v1/rerank", On::api, nullptr, post_rerank, true},
    Route{"GET", "/api/v1/rerank/metrics", On::api, nullptr, get_rerank_metrics},
    Route{"POST", "/rerank", On::api, nullptr, post_tei_rerank, true},
    Route{"POST", "/v1/embeddings", On::api, nullptr, post_embeddings, true},
};

constexpr std::string_view id_suffix = "/{id}";

bool matches(const Route& route, std::string_view path, std::string_view& parameter) {
  if (!route.pattern.ends_with(id_suffix)) return route.pattern == path;
  const auto stem = route.pattern.substr(0, route.pattern.size() - id_suffix.size() + 1);
  if (!path.starts_with(stem)) return false;
  const auto rest = path.substr(stem.size());
  if (rest.empty() || rest.find('/') != std::string_view::npos) return false;
  parameter = rest;
  return true;
}

bool is_served(const Route& route, const Core& core) {
  switch (route.where) {
    case On::every_listener: return true;
    case On::api: return core.options.api && core.services.api != nullptr;
    case On::admin: return core.options.admin;
  }
  return false;
}

const Route* find(Exchange& exchange) {
  const auto path = exchange.head.path();
  for (const auto& route : routes)
    if (is_served(route, exchange.core) && matches(route, path, exchange.parameter)) return &route;
  return nullptr;
}

OutField allow(const Route& route) {
  return {"Allow", route.method == "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS"};
}

bool takes(const Route& route, std::string_view method) {
  return method == route.method || (method == "HEAD" && route.method == "GET");
}

Outcome respond(Response response) {
  const int status = response.status;
  return {std::move(response), status};
}

/// The token of `Authorization: Bearer <token>`; empty if there is no such field, or several.
std::string_view bearer_of(const RequestHead& head) {
  const auto field = head.field("authorization");
  constexpr std::string_view scheme = "bearer ";
  if (!field || field->size() <= scheme.size() ||
      !equal_ignoring_case(field->substr(0, scheme.size()), scheme))
    return {};
  return trimmed(field->substr(scheme.size()));
}

bool authenticate(Exchange& exchange, const Api& api) {
  const char* why = "no bearer token";
  const auto token = bearer_of(exchange.head);
  if (!token.empty()) {
    auto claims = api.tokens.verify(token, runtime::unix_ms() / 1'000, &why);
    if (claims) {
      const auto tenant = api.tenants.tenant_of(claims->subject);
      exchange.who = Principal{std::move(claims->subject), tenant};
      return true;
    }
  }
  exchange.core.services.probe.unauthenticated.Increment();
  runtime::log(LogLevel::info, "http.unauthenticated",
               {{"request_id", exchange.context.id}, {"cause", why}});
  return false;
}

Response unauthenticated(const Exchange& exchange) {
  const Error error{Errc::unauthenticated, "a valid bearer token is required"};
  auto response = problem(error, exchange.context.id);
  response.fields.push_back({"WWW-Authenticate", "Bearer error=\"invalid_token\""});
  return response;
}

/// draft-ietf-httpapi-ratelimit-headers names the problem type and its member.
Response limited(const Exchange& exchange) {
  const Error error{Errc::rate_limited, "the rate limit of this user is used up"};
  auto response = problem(error, exchange.context.id);
  auto body = problem_object(error, exchange.context.id);
  body["type"] = "https://iana.org/assignments/http-problem-types#quota-exceeded";
  body["violated-policies"] = json::array{"default"};
  response.body = json::serialize(body);
  return response;
}

/// Takes a token from the caller's bucket and keeps the figures for whatever answer follows.
asio::awaitable<bool> admit(Exchange& exchange, const Api& api) {
  const auto admission = co_await api.limiter.admit(exchange.context, exchange.who->tenant);
  auto& probe = exchange.core.services.probe;
  (admission.allowed ? probe.admitted : probe.limited).Increment();
  if (admission.degraded) probe.degraded.Increment();
  const auto limit = std::to_string(admission.limit);
  const auto remaining = std::to_string(admission.remaining);
  // A refused client may come back before its bucket is full: both figures tell it when.
  const auto retry_after = std::max<std::int64_t>(admission.retry_after_s, 1);
  const auto reset = admission.allowed ? admission.reset_s : retry_after;
  auto& fields = exchange.fields;
  fields.reserve(6);
  fields.push_back({"X-RateLimit-Limit", limit});
  fields.push_back({"X-RateLimit-Remaining", remaining});
  fields.push_back({"X-RateLimit-Reset", std::to_string(admission.reset_s)});
  fields.push_back({"RateLimit-Policy",
                    "\"default\";q=" + limit + ";w=" + std::to_string(admission.window_s)});
  fields.push_back({"RateLimit", "\"default\";r=" + remaining + ";t=" + std::to_string(reset)});
  if (!admission.allowed) fields.push_back({"Retry-After", std::to_string(retry_after)});
  co_return admission.allowed;
}

std::optional<Response> check_media_type(const Exchange& exchange) {
  const auto type = exchange.head.field("content-type");
  const auto encoding = exchange.head.field("content-encoding");
  if (type && is_json(*type) && exchange.head.count("content-encoding") == (encoding ? 1 : 0) &&
      (!encoding || equal_ignoring_case(*encoding, "identity")))
    return {};
  const Error error{Errc::unsupported_media_type,
                    "send application/json in UTF-8, without a content encoding"};
  return problem(error, exchange.context.id);
}

Response body_problem(const Exchange& exchange, const Refusal& refusal) {
  if (refusal.status == 413)
    return problem({Errc::payload_too_large,
                    "the body is larger than " +
                        std::to_string(exchange.core.options.body_bytes_max) + " bytes"},
                   exchange.context.id);
  return protocol_problem(refusal.status, refusal.detail, exchange.context.id);
}

/// The one place where what went wrong becomes an Error.
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

Error error_of(Cut cut) {
  if (cut == Cut::deadline) return {Errc::timeout, "the answer was not ready in time"};
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

asio::awaitable<void> work_on(Exchange& exchange, Work work, std::optional<Response>& response) {
  response = co_await work(exchange);
}

Outcome client_gone(Exchange& exchange) {
  if (exchange.stream) {
    const auto end = exchange.session.write_timed_out() ? StreamEnd::write_failed
                                                        : StreamEnd::client_closed;
    exchange.core.services.probe.streams(end).Increment();
  }
  return {.response = {}, .status = 499};
}

asio::awaitable<Outcome> fail(Exchange& exchange, Error error, Cut cut) {
  const auto& row = errc_row(error.code);
  runtime::log(level_of(row.severity), "http.request_problem",
               {{"request_id", exchange.context.id}, {"route", exchange.route},
                {"code", errc_name(error.code)}, {"message", error.message}});
  if (!exchange.stream) {
    auto response = problem(error, exchange.context.id);
    if (row.http_status == 503 && row.retryable) response.fields.push_back({"Retry-After", "1"});
    co_return respond(std::move(response));
  }
  co_await fail_stream(exchange, error);
  const auto end = cut == Cut::shutting_down ? StreamEnd::shutting_down : StreamEnd::failed;
  exchange.core.services.probe.streams(end).Increment();
  co_return Outcome{.response = {}, .status = row.http_status};
}

asio::awaitable<Outcome> run_work(Exchange& exchange, const Route& route) {
  std::optional<Response> response;
  std::exception_ptr failure;
  Cut cut = Cut::none;
  try {
    cut = co_await exchange.session.run_cuttable(work_on(exchange, route.work, response),
                                                 route.watched, exchange.context.deadline.at());
  } catch (const ConnectionLost&) {
    cut = Cut::client_gone;
  } catch (...) {
    failure = std::current_exception();
  }
  if (cut == Cut::client_gone) co_return client_gone(exchange);
  if (failure) co_return co_await fail(exchange, error_of(failure, exchange), cut);
  if (cut != Cut::none) co_return co_await fail(exchange, error_of(cut), cut);
  if (response) co_return respond(std::move(*response));
  co_return Outcome{};
}

asio::awaitable<Outcome> handle_api(Exchange& exchange, const Route& route) {
  const auto& api = *exchange.core.services.api;
  if (!authenticate(exchange, api)) co_return respond(unauthenticated(exchange));
  const bool admitted = co_await admit(exchange, api);
  if (!admitted) co_return respond(limited(exchange));
  if (route.method == "POST") {
    if (auto refused = check_media_type(exchange)) co_return respond(std::move(*refused));
    Refusal refusal;
    const bool whole = co_await exchange.session.read_body(exchange.body, refusal);
    if (!whole) co_return respond(body_problem(exchange, refusal));
  }
  co_return co_await run_work(exchange, route);
}

asio::awaitable<Outcome> dispatch(Exchange& exchange) {
  const auto* route = find(exchange);
  if (route == nullptr) co_return respond(not_found(exchange));
  exchange.route = route->pattern;
  if (exchange.head.method == "OPTIONS")
    co_return respond({.status = 204, .fields = {allow(*route)}});
  if (!takes(*route, exchange.head.method)) {
    const Error error{Errc::method_not_allowed, "this resource does not know that method"};
    auto response = problem(error, exchange.context.id);
    response.fields.push_back(allow(*route));
    co_return respond(std::move(response));
  }
  if (route->at_once != nullptr) co_return respond(route->at_once(exchange));
  co_return co_await handle_api(exchange, *route);
}

}  // namespace

Response not_found(const Exchange& exchange) {
  return problem({Errc::not_found, "there is no such resource"}, exchange.context.id);
}

asio::awaitable<Outcome> handle(Exchange& exchange) {
  std::exception_ptr failure;
  try {
    co_return co_await dispatch(exchange);
  } catch (const ConnectionLost&) {
    co_return client_gone(exchange);
  } catch (...) {
    failure = std::current_exception();
  }
  co_return respond(problem(error_of(failure, exchange), exchange.context.id));
}

}  // namespace memseal::http
