#include "http/routes/admission.hpp"

#include "http/routes/answer_json.hpp"
#include "base/assert.hpp"
#include "pure/crypto/hash.hpp"
#include "runtime/log.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
      call.who = Principal{std::move(claims->subject), tenant, std::move(claims->id)};
      return true;
    }
  }
  // Only the log names the cause, because the answer must not help to forge a token.
  call.exchange.server.metrics.unauthenticated.Increment();
  auto& lines = call.exchange.server.request_log;
  if (lines.admits(LoggedKind::unauthenticated, runtime::Clock::now()))
    runtime::log(runtime::LogLevel::info, "http.unauthenticated",
                 {{"request_id", call.context.id}, {"cause", why},
                  {"address", call.exchange.session.peer_address()},
                  {"unlogged", lines.take_unlogged(LoggedKind::unauthenticated)}});
  return false;
}

Response unauthenticated(const Call& call, const char* detail) {
  const Error error{Errc::unauthenticated, detail};
  auto response = problem(error, call.context.id);
  response.fields.push_back({"WWW-Authenticate", "Bearer error=\"invalid_token\""});
  return response;
}

/// A limit of the caller's bucket under the name that headers and problems use.
struct NamedLevel {
  std::string policy;  ///< "query-requests"
  std::string_view unit;
  const ports::Level* level;
};

std::vector<NamedLevel> levels_of(const Call& call, const ports::Admission& admission) {
  const auto bucket = std::string(ports::bucket_name(*call.bucket));
  std::vector<NamedLevel> levels{{bucket + "-requests", "requests", &admission.requests}};
  if (admission.tokens.limit > 0)
    levels.push_back({bucket + "-tokens", "tokens", &admission.tokens});
  return levels;
}

/// The limit that X-RateLimit-* and the problem show: the one that has room last.
const NamedLevel& shown_of(const std::vector<NamedLevel>& levels) {
  return *std::ranges::max_element(
      levels, {}, [](const NamedLevel& named) { return named.level->retry_after_s; });
}

/// Seconds after which a refused request has room, at least one.
std::int64_t wait_s(const NamedLevel& shown) {
  return std::max<std::int64_t>(shown.level->retry_after_s, 1);
}

/// draft-ietf-httpapi-ratelimit-headers names the problem type and its member.
Response limited(const Call& call, const ports::Admission& admission) {
  const auto levels = levels_of(call, admission);
  const auto& shown = shown_of(levels);
  const auto bucket = ports::bucket_name(*call.bucket);
  const auto seconds = wait_s(shown);
  const Error error{Errc::rate_limited,
                    "the " + std::string(bucket) + " limit of this user, " +
                        std::to_string(shown.level->limit) + ' ' + std::string(shown.unit) +
                        " in " + std::to_string(admission.window_s) +
                        " s, is used up: try again in " + std::to_string(seconds) + " s"};
  auto response = problem(error, call.context.id);
  auto body = problem_object(error, call.context.id);
  body["type"] = "https://iana.org/assignments/http-problem-types#quota-exceeded";
  json::array violated;
  for (const auto& named : levels)
    if (named.level->retry_after_s > 0 || &named == &shown)
      violated.push_back(json::string(named.policy));
  body["violated-policies"] = std::move(violated);
  body["bucket"] = bucket;
  body["limit"] = shown.unit;
  body["retry_after_s"] = seconds;
  response.body = json::serialize(body);
  return response;
}

/// Keeps the bucket's figures for whatever answer follows.
void add_rate_fields(Call& call, const ports::Admission& admission) {
  const auto levels = levels_of(call, admission);
  const auto& shown = shown_of(levels);
  auto& fields = call.exchange.fields;
  fields.reserve(fields.size() + 6);
  fields.push_back({"X-RateLimit-Limit", std::to_string(shown.level->limit)});
  fields.push_back({"X-RateLimit-Remaining", std::to_string(shown.level->remaining)});
  fields.push_back({"X-RateLimit-Reset", std::to_string(shown.level->reset_s)});
  std::string policies, states;
  for (const auto& named : levels) {
    const auto& level = *named.level;
    // A refused client may come back before its bucket is full, so RateLimit and Retry-After agree.
    const auto reset = admission.allowed || &named != &shown ? level.reset_s : wait_s(shown);
    if (!policies.empty()) policies += ", ", states += ", ";
    policies += '"' + named.policy + "\";q=" + std::to_string(level.limit) +
                ";w=" + std::to_string(admission.window_s);
    if (named.unit != "requests") policies.append(";qu=\"").append(named.unit).append("\"");
    states += '"' + named.policy + "\";r=" + std::to_string(level.remaining) +
              ";t=" + std::to_string(reset);
  }
  fields.push_back({"RateLimit-Policy", std::move(policies)});
  fields.push_back({"RateLimit", std::move(states)});
  if (!admission.allowed) fields.push_back({"Retry-After", std::to_string(wait_s(shown))});
}

void count(Call& call, const ports::Admission& admission) {
  auto& metrics = call.exchange.server.metrics;
  (admission.allowed ? metrics.admitted : metrics.limited).Increment();
  if (admission.degraded) metrics.degraded.Increment();
  if (admission.allowed) return;
  const auto levels = levels_of(call, admission);
  metrics.limited_by(ports::bucket_name(*call.bucket), shown_of(levels).unit).Increment();
}

}  // namespace

std::optional<Response> authenticate(Call& call) {
  if (verify_token(call)) return std::nullopt;
  return unauthenticated(call, "a valid bearer token is required");
}

std::optional<Response> check_operator(Call& call) {
  const std::string& wanted = call.deps.admin_token;
  if (wanted.empty())
    return protocol_problem(403, "this service takes no orders: set http.admin_token",
                            call.context.id);
  const auto shown = bearer_of(call.head);
  call.is_operator = crypto::equal_constant_time(bytes_of(shown), bytes_of(wanted));
  if (call.is_operator) return std::nullopt;
  call.exchange.server.metrics.unauthenticated.Increment();
  runtime::log(runtime::LogLevel::warn, "http.order_refused",
               {{"request_id", call.context.id},
                {"route", call.exchange.route},
                {"cause", shown.empty() ? "no bearer token" : "not http.admin_token"}});
  return unauthenticated(call, "an order needs the token of http.admin_token");
}

std::optional<Response> refuse_early(Call& call) {
  const auto refusal = call.deps.api->limiter.known_refusal(call.who->tenant, *call.bucket);
  if (!refusal) return std::nullopt;
  count(call, *refusal);
  add_rate_fields(call, *refusal);
  return limited(call, *refusal);
}

asio::awaitable<std::optional<Response>> charge(Call& call, std::int64_t tokens) {
  MEMSEAL_ASSERT(!call.charged);
  call.charged = true;
  const auto admission = co_await call.deps.api->limiter.admit(call.context, call.who->tenant,
                                                               *call.bucket, tokens);
  count(call, admission);
  add_rate_fields(call, admission);
  if (!admission.allowed) co_return limited(call, admission);
  co_return std::nullopt;
}

asio::awaitable<bool> charge_more(Call& call, std::int64_t tokens) {
  MEMSEAL_ASSERT(call.charged);
  const auto admission = co_await call.deps.api->limiter.admit(call.context, call.who->tenant,
                                                               *call.bucket, tokens);
  count(call, admission);
  co_return admission.allowed;
}

}  // namespace memseal::http
