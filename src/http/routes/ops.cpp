#include "http/routes/handlers.hpp"
#include "http/routes/openapi.hpp"

#include "pure/wire/line_safe.hpp"
#include "runtime/log.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <malloc.h>
#include <unistd.h>

#include <fstream>
#include <utility>

namespace memseal::http {

namespace json = boost::json;

namespace {

/// Resident and peak resident bytes of this process, by /proc.
std::pair<std::int64_t, std::int64_t> resident_bytes() {
  std::int64_t pages = 0, resident_pages = 0, peak_kb = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident_pages;
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") status >> peak_kb;
  return {resident_pages * sysconf(_SC_PAGESIZE), peak_kb * 1024};
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
  auto query = std::string_view(call.head.target).substr(call.head.path().size());
  if (!query.empty()) query.remove_prefix(1);
  const auto version =
      query.starts_with(parameter) ? query.substr(parameter.size()) : std::string_view();
  const auto document = openapi_document(version);
  if (!document)
    return problem({Errc::bad_request, "the versions of OpenAPI are 3.1 and 3.2"}, call.context.id);
  return json_response(200, std::string(*document));
}

Response get_metrics(Call& call) {
  return {.status = 200,
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = call.deps.metrics.render()};
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

Response get_memory_metrics(Call& call) {
  const auto& server = call.exchange.server;
  const auto [resident, peak] = resident_bytes();
  const auto heap = mallinfo2();
  const std::chrono::duration<double> up = runtime::Clock::now() - server.started;
  json::object body{{"rss_bytes", resident},
                    {"rss_peak_bytes", peak},
                    // Large blocks are mapped one by one and counted apart from the heap's arenas.
                    {"heap_used_bytes", heap.uordblks + heap.hblkhd},
                    {"heap_free_bytes", heap.fordblks},
                    {"uptime_s", up.count()},
                    {"connections", server.sessions.size()},
                    {"open_streams", server.streams}};
  json::object caches;
  if (call.deps.memory)
    for (const auto& [name, value] : call.deps.memory()) caches[name] = value;
  body["caches"] = std::move(caches);
  return json_response(200, json::serialize(body));
}

}  // namespace memseal::http
