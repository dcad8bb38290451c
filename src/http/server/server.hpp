#pragma once
// HTTP/1.1 and Server-Sent Events. One Server per io_context, all on one address by SO_REUSEPORT.
#include "base/limits.hpp"
#include "http/server/http_metrics.hpp"
#include "runtime/tracer.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace memseal::http {

namespace asio = boost::asio;

struct Exchange;
struct FrontDoor;
struct Outcome;

/// Answers one request. Called on the Server's thread; the Exchange lives until the awaitable ends.
/// NOTE: the handler answers its own failures. An exception other than ConnectionLost ends the
/// connection without an answer.
using Handler = std::function<asio::awaitable<Outcome>(Exchange&)>;

/// Settings of one listener. Durations and bounds default to the outer walls of base/limits.
struct Options {
  std::string address = "127.0.0.1";      ///< IPv4 or IPv6 address, no name
  std::uint16_t port = 0;                 ///< 0: any free port, see Server::port()
  bool reuse_port = false;                ///< several Servers listen on one address
  std::size_t connections_max = limits::http_connections_max;
  /// Of one address to this Server. Counted with `door` only, which has the bound of all Servers.
  std::size_t connections_per_address = limits::http_connections_max;
  int requests_per_connection_max = limits::http_requests_per_connection_max;
  std::size_t body_bytes_max = limits::http_body_bytes_max;  ///< a route may set another limit
  std::chrono::milliseconds header_timeout = limits::http_header_timeout;
  std::chrono::milliseconds body_timeout = limits::http_body_timeout;
  std::chrono::milliseconds idle_timeout = limits::http_idle_timeout;
  std::chrono::milliseconds write_timeout = limits::http_write_timeout;
  std::chrono::milliseconds keepalive = limits::sse_keepalive;
  std::chrono::milliseconds request_deadline = limits::request_deadline;
  std::chrono::milliseconds drain_timeout = limits::drain_timeout;
  std::int64_t log_requests_per_s = limits::http_log_requests_per_s;  ///< lines of each kind
  std::chrono::milliseconds tick = std::chrono::milliseconds(100);  ///< precision of the timeouts
  /// What each address, each user and all requests may take; shared by the Servers of a process.
  /// Null: no such limit.
  std::shared_ptr<FrontDoor> door = {};
  runtime::Tracer* tracer = nullptr;  ///< of every request but probes and scrapes; null: of none
};

/// Listens, serves, drains.
/// Thread: `executor`, which runs on one thread. Only begin_drain() may be called from another.
class Server {
 public:
  /// Binds and listens at once, so that port() is known; throws Refused{bad_config} naming the
  /// address when that fails. Serves nothing before run().
  /// `metrics` outlives the Server, and so does what `handler` refers to.
  Server(asio::any_io_executor executor, Options options, HttpMetrics& metrics, Handler handler);
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

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // a posted begin_drain() may outlive the Server
};

}  // namespace memseal::http
