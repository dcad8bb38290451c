#pragma once
// HTTP/1.1 and Server-Sent Events. One Server per io_context, all on one address by SO_REUSEPORT.
#include "base/limits.hpp"
#include "cases/inference/inference.hpp"
#include "cases/query/answer.hpp"
#include "http/server/probe.hpp"
#include "ports/event_sink.hpp"
#include "ports/limiter.hpp"
#include "ports/operations.hpp"
#include "pure/crypto/tenant.hpp"
#include "pure/crypto/token.hpp"
#include "runtime/metrics.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace memseal::http {

namespace asio = boost::asio;

/// Settings of one listener. Durations and bounds default to the outer walls of base/limits.
struct Options {
  std::string address = "127.0.0.1";      ///< IPv4 or IPv6 address, no name
  std::uint16_t port = 7400;              ///< 0: any free port, see Server::port()
  bool reuse_port = false;                ///< several Servers listen on one address
  bool api = true;                        ///< serve the routes of Api (needs Services::api)
  bool admin = false;                     ///< serve /metrics and /metrics/memory
  std::size_t connections_max = limits::http_connections_max;
  int requests_per_connection_max = limits::http_requests_per_connection_max;
  std::size_t body_bytes_max = limits::http_body_bytes_max;
  std::chrono::milliseconds header_timeout = limits::http_header_timeout;
  std::chrono::milliseconds body_timeout = limits::http_body_timeout;
  std::chrono::milliseconds idle_timeout = limits::http_idle_timeout;
  std::chrono::milliseconds write_timeout = limits::http_write_timeout;
  std::chrono::milliseconds keepalive = limits::sse_keepalive;
  std::chrono::milliseconds request_deadline = limits::request_deadline;
  std::chrono::milliseconds drain_timeout = limits::drain_timeout;
  std::chrono::milliseconds tick = std::chrono::milliseconds(100);  ///< precision of the timeouts
};

/// One line of GET /ready. `detail` is shown to anybody: no addresses, no secrets.
struct Check {
  std::string name;
  bool ok = false;
  bool required = true;                   ///< a failed check that is not required is only reported
  std::string detail;
};

/// What the routes behind a token work with: /api/v1/…, /rerank, /v1/embeddings. All of it outlives
/// the Server.
struct Api {
  query::QueryDeps& query;
  inference::InferenceDeps& inference;
  ports::Operations& operations;
  ports::EventSink& events;
  ports::Limiter& limiter;
  const crypto::TokenVerifier& tokens;
  const crypto::TenantKeyer& tenants;
  const crypto::IdDeriver& ids;
};

/// What a Server works with. The callbacks are called on the Server's thread, do no I/O and do not
/// throw; an empty one means "nothing to report".
struct Services {
  runtime::Metrics& metrics;
  Probe& probe;
  Api* api = nullptr;                     ///< null: the routes of Api are unknown
  std::function<std::vector<Check>()> readiness = {};
  /// Further figures of GET /metrics/memory: name → bytes or entries.
  std::function<std::vector<std::pair<std::string, std::int64_t>>()> memory = {};
  /// Switches reranking for the whole process; empty: its admin routes are unknown.
  std::function<void(bool)> switch_rerank = {};
};

/// CloudEvents `source` of what POST /api/v1/memory/index publishes.
inline constexpr std::string_view index_event_source = "/memseal/http";

/// Listens, serves, drains. All on `executor`, which runs on one thread; only begin_drain() and
/// draining() may be called from another.
class Server {
 public:
  /// Binds and listens at once, so that port() is known; throws Refused{bad_config} naming the
  /// address when that fails. Serves nothing before run().
  Server(asio::any_io_executor executor, Options options, Services services);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const noexcept;

  /// Accepts and serves; returns after begin_drain() when every connection has ended. Cancelling
  /// it ends every connection at once.
  asio::awaitable<void> run();

  /// GET /ready says 503 from now on, no new connection is taken, answers carry
  /// `Connection: close`, idle connections close. Requests have Options::drain_timeout to end;
  /// what then still streams gets `query.failed` with code shutting_down.
  void begin_drain();
  bool draining() const noexcept;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // a posted begin_drain() may outlive the Server
};

}  // namespace memseal::http
