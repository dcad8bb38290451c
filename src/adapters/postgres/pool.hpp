#pragma once
#include "adapters/postgres/metrics.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace memseal::postgres {

namespace asio = boost::asio;

class TenantTx;
class SystemTx;

struct PoolOptions {
  std::string dsn;                        ///< libpq: "host=… user=app_user …" or postgresql://…
  std::size_t connections = 4;            ///< a connection is a thread
  std::size_t waiting_max = 256;          ///< calls that may wait for a thread; more are refused
  std::chrono::milliseconds call_max{30'000};  ///< longest a call without a deadline may run
};

/// Threads that each may hold one connection to the database, as app_user. Connects on first use;
/// while the database is away calls fail at once and a new attempt is made after a back-off
/// (100 ms doubling to 5 s). A connection whose state is in doubt is closed, never reused.
///
/// Any thread. The destructor breaks what is running and joins: destroy it after the coroutines
/// that use it have ended, and before what their work refers to (keyring, probe).
class Pool {
 public:
  Pool(PoolOptions options, PostgresMetrics& metrics);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  const PoolOptions& options() const noexcept { return options_; }
  PostgresMetrics& metrics() noexcept { return metrics_; }

  // For the adapters (src/postgres/run.hpp).

  /// Takes a place in the queue, or throws Outage{overloaded | shutting_down}. `leave` gives it
  /// back.
  void enter();
  void leave() noexcept;
  asio::thread_pool& threads() noexcept { return threads_; }

  /// Runs `work` in one transaction of `owner` on the calling thread, one of `threads()`, and
  /// commits. Throws Outage{unavailable | timeout}, Refused{not_migrated | bad_config | internal}.
  /// Nothing was committed then, unless the connection died in the commit itself: the ledger
  /// decides a retry.
  void run_tenant(const std::stop_token& stop, const runtime::RequestContext& context,
                  const crypto::Tenant& owner, const std::function<void(TenantTx&)>& work);
  /// The same without a tenant: only app.settings and the catalog can be read.
  void run_system(const std::stop_token& stop, const runtime::RequestContext& context,
                  const std::function<void(SystemTx&)>& work);

 private:
  class Lease;
  struct State;

  template <class Tx, class Open>
  void run(const std::stop_token& stop, const runtime::RequestContext& context, const Open& open,
           const std::function<void(Tx&)>& work);
  void drop_idle();

  PoolOptions options_;
  PostgresMetrics& metrics_;
  std::unique_ptr<State> state_;
  asio::thread_pool threads_;
};

}  // namespace memseal::postgres
