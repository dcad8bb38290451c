#include "http/routes/handlers.hpp"
#include "http/routes/openapi.hpp"

#include "pure/wire/line_safe.hpp"
#include "runtime/log.hpp"
#include "runtime/metrics_page.hpp"
#include "runtime/process_metrics.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace memseal::http {

namespace json = boost::json;

namespace {

/// Begins of the names that /metrics/memory shows: what remembers, asks and keeps apart, and what
/// that waits for. The rest of /metrics is about HTTP, Kafka's client, the limiter and the process.
constexpr std::array<std::string_view, 16> memory_families{
    "memory_",         "memseal_build_",    "memseal_chunk_",   "memseal_chunks_",
    "memseal_cross_",  "memseal_db_",       "memseal_dlq_",     "memseal_ingest_",
    "memseal_open_",   "memseal_isolation_", "memseal_queries_", "memseal_query_",
    "memseal_rerank_", "memseal_ready",     "memseal_rls_",     "memseal_sse_"};

bool is_of_memory(std::string_view name) {
  return std::ranges::any_of(memory_families,
                             [&](std::string_view begin) { return name.starts_with(begin); });
}

/// Shows readiness as /ready would now. A probe of /ready may come at other times than a scrape.
void observe_readiness(const Call& call) {
  if (!call.deps.readiness) return;
  bool ready = !call.exchange.server.draining;
  auto& metrics = call.deps.metrics;
  for (const auto& check : call.deps.readiness()) {
    ready = ready && (check.ok || !check.required);
    metrics
        .gauge("memseal_ready_check", "1 while a check of /ready is good.",
               {{"check", check.name}, {"required", check.required ? "yes" : "no"}})
        .Set(check.ok);
  }
  metrics.gauge("memseal_ready", "1 while /ready answers 200.").Set(ready);
}

Response metrics_page(std::string body) {
  return {.status = 200,
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = std::move(body)};
}

}  // namespace

Response json_response(int status, std::string body) {
  return {.status = status,
          .content_type = "application/json",
          .body = wire::line_safe(std::move(body))};
}

Response user_mismatch(const Call& call) {
  return problem({Errc::user_mismatch, "user_id is not the user of the token", "/user_id"},
                 call.context.id);
}

Response get_start_page(Call& call) {
  return {.status = 200,
          .content_type = "text/html; charset=utf-8",
          .body = call.deps.start_page(),
          .fields = {{"Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}}};
}

Response get_health(Call&) { return json_response(200, R"({"status":"ok"})"); }

Response get_ready(Call& call) {
  const auto& server = call.exchange.server;
  bool ready = true;
  json::array checks;
  // A check that is not required is shown only: without Kafka or Redis this process still answers.
  if (call.deps.readiness) {
    for (const auto& check : call.deps.readiness()) {
      ready = ready && (check.ok || !check.required);
      checks.push_back(json::object{{"name", check.name},
                                    {"ok", check.ok},
                                    {"required", check.required},
                                    {"detail", check.detail}});
    }
  }
  // A load balancer stops sending here as soon as the drain begins.
  const char* status = server.draining ? "draining" : ready ? "ready" : "not_ready";
  const json::object body{{"status", status}, {"checks", std::move(checks)}};
  return json_response(ready && !server.draining ? 200 : 503, json::serialize(body));
}

Response get_version(Call&) {
  return json_response(
      200, json::serialize(json::object{{"name", "memseal"}, {"version", MEMSEAL_VERSION}}));
}

Response get_openapi(Call& call) {
  constexpr std::string_view parameter = "version=";
  const auto query = call.head.query();
  const auto version =
      query.starts_with(parameter) ? query.substr(parameter.size()) : std::string_view();
  const auto document = openapi_document(version);
  if (!document)
    return problem({Errc::bad_request, "the versions of OpenAPI are 3.1 and 3.2"}, call.context.id);
  return json_response(200, std::string(*document));
}

Response get_metrics(Call& call) {
  runtime::observe_process(call.deps.metrics);
  observe_readiness(call);
  return metrics_page(call.deps.metrics.render());
}

Response get_memory_metrics(Call& call) {
  observe_readiness(call);
  return metrics_page(runtime::families_of(call.deps.metrics.render(), is_of_memory));
}

namespace {

Response switch_rerank(Call& call, bool on) {
  if (!call.deps.switch_rerank) return not_found(call);
  call.deps.switch_rerank(on);
  runtime::log(runtime::LogLevel::info, "http.rerank_switched", {{"on", on ? "true" : "false"}});
  return json_response(200, on ? R"({"rerank":true})" : R"({"rerank":false})");
}

}  // namespace

Response post_rerank_on(Call& call) { return switch_rerank(call, true); }
Response post_rerank_off(Call& call) { return switch_rerank(call, false); }

Response get_guard(Call& call) {
  if (!call.deps.guard_state) return not_found(call);
  return json_response(200, call.deps.guard_state());
}

namespace {

Response order_guard(Call& call, GuardOrder order) {
  if (!call.deps.order_guard) return not_found(call);
  if (!call.deps.order_guard(order, call.id))
    return problem({Errc::bad_request, "the guard has no action or mode of this name"},
                   call.context.id);
  return get_guard(call);
}

}  // namespace

Response post_guard_hold(Call& call) { return order_guard(call, GuardOrder::hold); }
Response post_guard_release(Call& call) { return order_guard(call, GuardOrder::release); }
Response post_guard_mode(Call& call) { return order_guard(call, GuardOrder::mode); }

}  // namespace memseal::http
