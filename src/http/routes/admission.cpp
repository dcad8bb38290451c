#include "http/routes/admission.hpp"

#include "http/routes/answer_json.hpp"
#include "runtime/log.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

namespace memseal::http {

namespace {

namespace json = boost::json;

/// The token of `Authorization: Bearer <token>`; empty if there is no such field, or several.
std::string_view bearer_of(const RequestHead& head) {
  const auto field = head.field("authorization");
  constexpr std::string_view scheme = "bearer ";
  if (!field || field->size() <= scheme.size() ||
      !equal_ignoring_case(field->substr(0, scheme.size()), scheme))
    return {};
  return trimmed(field->substr(scheme.size()));
}

bool verify_token(Call& call) {
  const auto& api = *call.deps.api;
  const char* why = "no bearer token";
  const auto token = bearer_of(call.head);
  if (!token.empty()) {
    auto claims = api.tokens.verify(token, api.now_ms() / 1'000, &why);
    if (claims) {
      // The tenant comes from the verified token and from nowhere else.
      const auto tenant = api.tenants.tenant_of(claims->subject);
      call.who = Principal{std::move(claims->subject), tenant};
      return true;
    }
  }
  // Only the log names the cause, because the answer must not help to forge a token.
  call.exchange.server.metrics.unauthenticated.Increment();
  runtime::log(runtime::LogLevel::info, "http.unauthenticated",
               {{"request_id", call.context.id}, {"cause", why}});
  return false;
}

Response unauthenticated(const Call& call) {
  const Error error{Errc::unauthenticated, "a valid bearer token is required"};
  auto response = problem(error, call.context.id);
  response.fields.push_back({"WWW-Authenticate", "Bearer error=\"invalid_token\""});
  return response;
}

/// draft-ietf-httpapi-ratelimit-headers names the problem type and its member.
Response limited(const Call& call) {
  const Error error{Errc::rate_limited, "the rate limit of this user is used up"};
  auto response = problem(error, call.context.id);
  auto body = problem_object(error, call.context.id);
  body["type"] = "https://iana.org/assignments/http-problem-types#quota-exceeded";
  body["violated-policies"] = json::array{"default"};
  response.body = json::serialize(body);
  return response;
}

/// Takes a token from the caller's bucket and keeps the figures for whatever answer follows.
asio::awaitable<bool> take_token(Call& call) {
  const auto admission = co_await call.deps.api->limiter.admit(call.context, call.who->tenant);
  auto& metrics = call.exchange.server.metrics;
  (admission.allowed ? metrics.admitted : metrics.limited).Increment();
  if (admission.degraded) metrics.degraded.Increment();
  const auto limit = std::to_string(admission.limit);
  const auto remaining = std::to_string(admission.remaining);
  // A refused client may come back before its bucket is full, so RateLimit and Retry-After agree.
  const auto retry_after = std::max<std::int64_t>(admission.retry_after_s, 1);
  const auto reset = admission.allowed ? admission.reset_s : retry_after;
  auto& fields = call.exchange.fields;
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

}  // namespace

std::optional<Response> authenticate(Call& call) {
  if (verify_token(call)) return std::nullopt;
  return unauthenticated(call);
}

asio::awaitable<std::optional<Response>> admit(Call& call) {
  const bool admitted = co_await take_token(call);
  if (!admitted) co_return limited(call);
  co_return std::nullopt;
}

}  // namespace memseal::http
