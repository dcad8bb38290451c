#include "app/service/listeners.hpp"

#include "app/service/guard_json.hpp"
#include "http/server/cors.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <chrono>

namespace memseal::app {

namespace {

http::Options listener_options(const Config& config, std::string address, std::uint16_t port) {
  http::Options options;
  options.address = std::move(address);
  options.port = port;
  options.connections_max = static_cast<std::size_t>(config.http.connections_max);
  options.body_bytes_max = static_cast<std::size_t>(config.http.body_bytes_max);
  options.log_requests_per_s = config.http.log_requests_per_s;
  options.idle_timeout = std::chrono::milliseconds(config.http.idle_timeout_ms);
  options.drain_timeout = std::chrono::milliseconds(config.runtime.drain_timeout_ms);
  return options;
}

/// One address never has all connections of the process, so that a stranger shuts nobody out.
http::FrontDoorLimits door_limits(const Config& config, std::size_t loops) {
  const auto& http = config.http;
  const auto all = static_cast<std::size_t>(http.connections_max) * loops;
  http::FrontDoorLimits limits;
  limits.connections_per_address = http.connections_per_address > 0
                                       ? static_cast<std::size_t>(http.connections_per_address)
                                       : std::max<std::size_t>(1, all / 4 * 3);
  limits.requests_per_user = static_cast<std::size_t>(http.requests_per_user);
  limits.bytes = static_cast<std::size_t>(http.bytes_max);
  limits.bytes_per_holder = limits.bytes / 4;
  return limits;
}

/// Of one address to one loop: it never has all of them, unless the operator gave it all of the
/// process (a proxy).
std::size_t address_connections(const Config& config, std::size_t loops) {
  const auto& http = config.http;
  const auto each = static_cast<std::size_t>(http.connections_max);
  const auto given = static_cast<std::size_t>(http.connections_per_address);
  return given >= each * loops ? each : std::max<std::size_t>(1, each / 4 * 3);
}

const char* sentence_of(DatabaseState state) {
  switch (state) {
    case DatabaseState::sound:
      return "reachable, migrated";
    case DatabaseState::read_only:
      return "read-only: a standby, or a server that refuses writes";
    case DatabaseState::unavailable:
      return "unavailable or not migrated";
  }
  return "";
}

/// False: there is no action and no mode of that name.
bool obey(guard::Watcher& guard, http::GuardOrder order, std::string_view name) {
  if (order == http::GuardOrder::mode) {
    const auto mode = guard::parse_mode(name);
    if (mode) guard.set_mode(*mode);
    return mode.has_value();
  }
  const auto action = policy::parse_guard_action(name);
  if (!action) return false;
  if (order == http::GuardOrder::hold)
    guard.hold(*action);
  else
    guard.release(*action, guard::steady_now_s());
  return true;
}

http::RouteDeps with_api(http::RouteDeps deps, http::ApiDeps& api) {
  deps.api = &api;
  return deps;
}

}  // namespace

Listener::Listener(asio::any_io_executor executor, http::Options options,
                   std::unique_ptr<redis::ManagedLimiter> limits, const Keys& keys, Stores& stores,
                   Answering& answering, UseCases& cases,
                   http::HttpMetrics& metrics, http::RouteDeps deps)
    : limiter(std::move(limits)),
      api{answering.query, answering.browse, answering.inference, stores.operations, cases.events,
          *limiter,        keys.tokens,      keys.tenants,        keys.ids},
      server(std::move(executor), std::move(options), metrics,
             http::make_handler(with_api(std::move(deps), api))) {
  api.knowledge = cases.knowledge ? &cases.knowledge->deps : nullptr;
  api.person = &cases.person;
  api.receipts = &keys.receipts;
}

Listeners::Listeners(Process& process, const Keys& keys, const Models& models, Stores& stores,
                     UseCases& cases)
    : process_(process),
      models_(models),
      stores_(stores),
      cases_(cases),
      metrics_(process.metrics),
      door_(std::make_shared<http::FrontDoor>(door_limits(process.config, process.loops.size()),
                                              metrics_)) {
  const auto& http = process_.config.http;
  listen(keys, ListenAddress::parse(http.listen, "http.listen").value());
  if (http.admin_listen == http::admin_listen_off) return;
  const auto address = ListenAddress::parse(http.admin_listen, "http.admin_listen").value();
  // The admin listener asks for no user's token, so it has no ApiDeps and cannot reach user data.
  auto deps = route_deps();
  deps.admin = true;
  deps.admin_token = http.admin_token;
  admin_.emplace(process_.loops[0].get_executor(),
                 listener_options(process_.config, address.host, address.port), metrics_,
                 http::make_handler(std::move(deps)));
}

void Listeners::listen(const Keys& keys, const ListenAddress& address) {
  auto& loops = process_.loops;
  auto limits = limiter_options(process_.config);
  // Shared: each loop has its own link to Redis, and one user's requests may reach every loop.
  limits.local = redis::make_local_buckets(limits).value();
  auto deps = route_deps();
  deps.start_page = process_.extras.start_page;
  deps.cors_origins = http::parse_origins(process_.config.http.cors_origins).value();
  auto port = address.port;
  for (std::size_t loop = 0; loop < loops.size(); ++loop) {
    const auto executor = loops[loop].get_executor();
    auto options = listener_options(process_.config, address.host, port);
    options.reuse_port = loops.size() > 1;
    options.door = door_;
    options.tracer = process_.tracer();
    options.connections_per_address = address_connections(process_.config, loops.size());
    api_.emplace_back(executor, std::move(options),
                      redis::make_limiter(executor, limits, process_.metrics).value(), keys,
                      stores_, cases_.answering[loop], cases_, metrics_, deps);
    port = this->port();  // Port 0 was asked for: the others share the first one's.
  }
}

void Listeners::begin_drain() {
  for (auto& each : api_) each.server.begin_drain();
}

http::RouteDeps Listeners::route_deps() {
  return {.metrics = process_.metrics,
          .readiness = [this] { return readiness(); },
          .switch_rerank = [this](bool on) { process_.flags.rerank_enabled = on; },
          .guard_state =
              [this] {
                const auto state = cases_.guard.state(guard::steady_now_s());
                return boost::json::serialize(guard_object(state));
              },
          .order_guard =
              [this](http::GuardOrder order, std::string_view name) {
                return obey(cases_.guard, order, name);
              },
          .audit = &cases_.auditor};
}

std::vector<http::Check> Listeners::readiness() const {
  std::vector<http::Check> checks;
  // Only what a request cannot do without is required. A load balancer would otherwise take every
  // process out when Redis or Kafka fails.
  const DatabaseState database = stores_.database_seen;
  checks.push_back({"database", database == DatabaseState::sound, true, sentence_of(database)});
  // Which rule is broken stands in the log alone, because anybody may ask here.
  const bool isolated = stores_.isolation_seen.findings().empty();
  checks.push_back({"isolation", isolated, true,
                    isolated ? "the catalog lint finds nothing"
                             : "the database does not keep tenants apart: see the log"});
  // Which guardrail it was stands in the log and behind the admin port.
  const bool guarded = !cases_.guard.is_unready();
  checks.push_back({"guard", guarded, true,
                    guarded ? "no guardrail takes this process out"
                            : "a guardrail or an operator took this process out: see the log"});
  checks.push_back({"embedder", true, true, models_.embedder->model_name()});
  const auto* reranker = models_.reranker.get();
  checks.push_back({"reranker", reranker != nullptr, false,
                    reranker ? reranker->model_name() : "none: answers keep the search order"});
  const bool broker =
      cases_.ingest ? cases_.ingest->source->connected() : stores_.sink->connected();
  checks.push_back({"kafka", broker, false, broker ? "connected" : "no broker reached"});
  bool buckets = true;
  for (const auto& each : api_) buckets = buckets && each.limiter->connected();
  checks.push_back({"redis", buckets, false,
                    process_.config.redis.url.empty() ? "not used: buckets in this process"
                    : buckets                         ? "connected"
                                                      : "unavailable: buckets in this process"});
  return checks;
}

}  // namespace memseal::app
