#pragma once
#include "adapters/postgres/metrics.hpp"
#include "adapters/postgres/settings.hpp"
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

/// What a call does with the rows.
enum class Access {
  read,   ///< any session will do, also one of a standby
  write,  ///< writes or locks rows: needs a read-write session
  read_one_snapshot,  ///< as read; all statements of the transaction see the same rows
};

struct PoolOptions {
  std::string name = "requests";  ///< label of the pool's metrics
  std::string dsn;                ///< libpq: "host=… user=app_user …" or postgresql://…
  std::size_t connections = connections_default;  ///< each has a thread of its own
  std::size_t waiting_max = waiting_max_default;  ///< calls that may wait for a thread; more fail
  std::chrono::milliseconds call_max{30'000};  ///< limit of a call without a deadline
};

/// Database threads, each with at most one connection as app_user. Connects on first use.
/// While the database is unavailable or refuses, calls fail at once, and the next attempt to
/// connect waits for a back-off (100 ms doubling to 5 s). A connection whose state is in doubt is
/// closed, not reused.
/// Calls that write get sessions that can write (target_session_attrs=read-write, unless the DSN
/// says otherwise), so a DSN may name a primary and its standbys. Reading goes on while nothing is
/// writable.
///
/// Thread: any.
/// Lifetime: the destructor breaks running calls and joins the threads. Destroy the pool after the
/// coroutines that use it have ended, and before what their work refers to (keyring, metrics).
class Pool {
 public:
  Pool(PoolOptions options, PostgresMetrics& metrics);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  const PoolOptions& options() const noexcept { return options_; }
  PostgresMetrics& metrics() noexcept { return metrics_; }

  // For the adapters (internal/run.hpp).

  /// Takes a slot in the queue, or throws Outage{overloaded | shutting_down}. leave() returns it.
  void enter();
  void leave() noexcept;
  asio::thread_pool& threads() noexcept { return threads_; }

  /// Runs `work` in one transaction of `owner` and commits. REQUIRES: runs on one of threads().
  /// Throws Outage{unavailable | timeout} or Refused{not_migrated | bad_config | internal}; then
  /// nothing was committed.
  /// NOTE: if the connection dies during the commit, the outcome is unknown. A retry is safe,
  /// because the ledger in the database decides whether an event was applied.
  void run_tenant(const std::stop_token& stop, const runtime::RequestContext& context,
                  const crypto::Tenant& owner, Access access,
                  const std::function<void(TenantTx&)>& work);
  /// The same without a tenant: only app.settings and the catalog are readable.
  void run_system(const std::stop_token& stop, const runtime::RequestContext& context,
                  Access access, const std::function<void(SystemTx&)>& work);

 private:
  class Lease;
  struct State;

  template <class Tx, class Open>
  void run(const std::stop_token& stop, const runtime::RequestContext& context, Access access,
           const Open& open, const std::function<void(Tx&)>& work);
  void drop_idle();
  void count_open(double more);

  PoolOptions options_;
  PostgresMetrics& metrics_;
  const PoolMetrics pool_metrics_;
  std::unique_ptr<State> state_;
  asio::thread_pool threads_;
};

}  // namespace memseal::postgres
