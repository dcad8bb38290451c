#include "adapters/postgres/pool.hpp"

#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/errors.hpp"
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "base/result.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <optional>
#include <random>
#include <vector>

namespace memseal::postgres {

namespace {

using runtime::Clock;
using namespace std::chrono_literals;

constexpr auto backoff_first = 100ms, backoff_max = 5'000ms;
// How long after its deadline a call may hold its thread before its socket is shut down.
constexpr auto overdue_after = 1'000ms;

[[noreturn]] void fail(Errc code, std::string message) {
  throw_failure(Error{code, std::move(message)});
}

}  // namespace

struct Pool::State {
  struct Running {
    int socket = -1;
    Clock::time_point overdue_at;
  };

  std::mutex mutex;
  std::vector<std::unique_ptr<Connection>> idle;
  std::list<Running> running;
  std::size_t in_flight = 0;
  bool closing = false;
  /// Attempts to connect wait for a back-off. No read-write session is no reason for readers to
  /// wait.
  struct Pace {
    Clock::time_point retry_at{};
    std::chrono::milliseconds backoff = backoff_first;
    /// What the last attempt met, if an operator must act. Repeated until the next attempt, because
    /// "unavailable" would hide it.
    std::optional<Error> refusal;
  };
  Pace pace, read_write_pace;
  std::minstd_rand jitter{std::random_device{}()};

  /// The next attempt waits for the back-off, whatever this one met: each costs the server a
  /// session. Throws `met`. REQUIRES: the lock is held.
  [[noreturn]] void put_off(Pace& slowed, const Error& met) {
    // Jitter, so that the processes of a fleet do not return to a restarted server all at once.
    const double spread = std::uniform_real_distribution(0.5, 1.0)(jitter);
    slowed.retry_at =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(slowed.backoff * spread);
    slowed.backoff = std::min<std::chrono::milliseconds>(slowed.backoff * 2, backoff_max);
    slowed.refusal = errc_row(met.code).transient() ? std::nullopt : std::optional(met);
    throw_failure(met);
  }
  /// Throws while the next attempt is not due. REQUIRES: the lock is held.
  void wait_for(const Pace& slowed, const char* cause = "database: unavailable") const {
    if (Clock::now() >= slowed.retry_at) return;
    if (slowed.refusal) throw_failure(*slowed.refusal);
    fail(Errc::unavailable,
         std::string(cause) + "; the next attempt to connect is not due yet");
  }

  /// The idle connection that serves `access`; null where there is none. The last one returned is
  /// the first one taken, but a reader leaves those that can write to the writers.
  std::unique_ptr<Connection> take_idle(Access access) {
    const auto serves = [&](const auto& one) {
      return one->read_only() == (access == Access::read);
    };
    auto found = std::find_if(idle.rbegin(), idle.rend(), serves);
    if (found == idle.rend() && access == Access::read) found = idle.rbegin();
    if (found == idle.rend()) return nullptr;
    auto connection = std::move(*found);
    idle.erase(std::next(found).base());
    return connection;
  }

  // Ends a blocked read at once; the thread then finds its connection broken.
  void shut_down_sockets(Clock::time_point overdue_before) {
    for (auto& job : running) {
      if (job.socket >= 0 && job.overdue_at <= overdue_before) ::shutdown(job.socket, SHUT_RDWR);
    }
  }
};

/// A connection on loan to the calling thread. The destructor closes it unless keep() was called.
class Pool::Lease {
 public:
  Lease(Pool& pool, Access access, const runtime::Deadline& deadline)
      : pool_(pool),
        state_(*pool.state_),
        access_(access),
        limit_(deadline.within(pool.options_.call_max)) {
    take_idle();
    if (!connection_) connect();
    register_socket();
  }

  ~Lease() {
    pool_.pool_metrics_.busy.Decrement();
    pool_.pool_metrics_.busy_s.Increment(
        std::chrono::duration<double>(Clock::now() - begun_).count());
    std::unique_ptr<Connection> dropped;  // declared before the lock: it closes after the unlock
    std::lock_guard lock(state_.mutex);
    // Before the connection closes, because the kernel gives its descriptor to another file, which
    // shut_down_sockets() would then shut down.
    state_.running.erase(job_);
    if (keep_ && !state_.closing) {
      state_.idle.push_back(std::move(connection_));
    } else {
      dropped = std::move(connection_);
      pool_.count_open(-1);
    }
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Connection& connection() noexcept { return *connection_; }
  bool reused() const noexcept { return reused_; }
  void keep() noexcept { keep_ = true; }

 private:
  void take_idle() {
    std::lock_guard lock(state_.mutex);
    if (state_.closing) fail(Errc::shutting_down, "database: shutting down");
    connection_ = state_.take_idle(access_);
    reused_ = connection_ != nullptr;
    if (reused_) return;
    state_.wait_for(state_.pace);
    if (access_ == Access::write)
      state_.wait_for(state_.read_write_pace, "database: the session is read-only");
  }

  // The lock is not held while libpq connects, because that may take seconds.
  void connect() {
    try {
      connection_ = std::make_unique<Connection>(pool_.options_.dsn, access_);
    } catch (const memseal::Failure& failed) {
      std::lock_guard lock(state_.mutex);
      state_.put_off(state_.pace, failed.error());
    } catch (const std::exception& thrown) {
      std::lock_guard lock(state_.mutex);
      auto failure = connect_failure(thrown.what());
      if (!found_read_only(thrown.what())) state_.put_off(state_.pace, failure);
      // Of several servers the message names the first one only.
      if (!found_read_only(failure.message)) failure.message += "; another session is read-only";
      state_.put_off(state_.read_write_pace, failure);
    }
    pool_.metrics_.connects.Increment();
    pool_.count_open(1);
    std::unique_ptr<Connection> replaced;  // declared before the lock: it closes after the unlock
    std::lock_guard lock(state_.mutex);
    state_.pace = {};
    if (access_ == Access::read) return;
    state_.read_write_pace = {};
    // A writer connects only when every idle connection is read-only.
    if (state_.idle.empty()) return;
    replaced = std::move(state_.idle.front());
    state_.idle.erase(state_.idle.begin());
    pool_.count_open(-1);
  }

  void register_socket() {
    std::lock_guard lock(state_.mutex);
    if (state_.closing) {  // It began to close while this thread connected.
      pool_.count_open(-1);
      fail(Errc::shutting_down, "database: shutting down");
    }
    job_ = state_.running.insert(state_.running.end(),
                                 {connection_->session().sock(), limit_.at() + overdue_after});
    pool_.pool_metrics_.busy.Increment();
  }

  Pool& pool_;
  State& state_;
  Access access_;
  runtime::Deadline limit_;
  std::unique_ptr<Connection> connection_;
  std::list<State::Running>::iterator job_;
  const Clock::time_point begun_ = Clock::now();
  bool reused_ = false, keep_ = false;
};

Pool::Pool(PoolOptions options, PostgresMetrics& metrics)
    : options_(std::move(options)),
      metrics_(metrics),
      pool_metrics_(metrics.pool(options_.name)),
      state_(std::make_unique<State>()),
      threads_(std::max<std::size_t>(options_.connections, 1)) {
  pool_metrics_.most.Increment(static_cast<double>(options_.connections));
}

Pool::~Pool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->closing = true;
    // Otherwise join() would wait for every statement that the server still runs.
    state_->shut_down_sockets(Clock::time_point::max());
  }
  threads_.join();
  // Idle connections end with `state_`, without a lease that would count them.
  count_open(-static_cast<double>(state_->idle.size()));
  pool_metrics_.most.Decrement(static_cast<double>(options_.connections));
}

void Pool::count_open(double more) {
  metrics_.connections.Increment(more);
  pool_metrics_.open.Increment(more);
}

void Pool::enter() {
  std::lock_guard lock(state_->mutex);
  if (state_->closing) fail(Errc::shutting_down, "database: shutting down");
  // Every thread is busy: free those whose calls are overdue.
  if (state_->in_flight >= options_.connections) state_->shut_down_sockets(Clock::now());
  if (state_->in_flight >= options_.connections + options_.waiting_max) {
    metrics_.refused.Increment();
    fail(Errc::overloaded, "database: too many calls are waiting");
  }
  ++state_->in_flight;
  metrics_.in_flight.Increment();
}

void Pool::leave() noexcept {
  std::lock_guard lock(state_->mutex);
  --state_->in_flight;
  metrics_.in_flight.Decrement();
}

// `open` begins the transaction. A connection that a server restart killed fails there, before any
// work was done, so the call is tried once more on a new connection.
template <class Tx, class Open>
void Pool::run(const std::stop_token& stop, const runtime::RequestContext& context, Access access,
               const Open& open, const std::function<void(Tx&)>& work) {
  const auto report = [&](const DatabaseFailure& failure) {
    if (failure.rls) metrics_.count_rls_error();
    if (failure.error.code == Errc::unavailable) metrics_.outages.Increment();
    throw_failure(failure.error);
  };
  for (bool may_retry = true;; may_retry = false) {
    // The caller may have left while this call waited for a thread.
    if (stop.stop_requested()) fail(Errc::cancelled, "database: the caller stopped waiting");
    if (context.deadline.passed()) {
      report(DatabaseFailure{Error{Errc::timeout, "database: no thread was free in time"}});
    }
    std::optional<Lease> lease;
    try {
      lease.emplace(*this, access, context.deadline);
    } catch (const memseal::Failure& failed) {
      report(DatabaseFailure{failed.error()});
    }
    std::optional<Tx> tx;
    try {
      open(tx, lease->connection());
      work(*tx);
      tx->commit();
      lease->keep();
      return;
    } catch (const std::exception& thrown) {
      const DatabaseFailure failure = failure_of(thrown);
      if (!tx && may_retry && lease->reused() && failure.connection_lost) {
        // A dead connection mostly means that the server restarted. The idle ones are then dead
        // too, and each would use up the one retry of another call.
        drop_idle();
        continue;
      }
      // Without keep() the lease closes the connection, because its state is unknown.
      if (tx && !failure.connection_in_doubt && tx->try_roll_back()) lease->keep();
      report(failure);
    }
  }
}

void Pool::drop_idle() {
  std::vector<std::unique_ptr<Connection>> dropped;  // closed after the unlock
  std::lock_guard lock(state_->mutex);
  dropped.swap(state_->idle);
  count_open(-static_cast<double>(dropped.size()));
}

void Pool::run_tenant(const std::stop_token& stop, const runtime::RequestContext& context,
                      const crypto::Tenant& owner, Access access,
                      const std::function<void(TenantTx&)>& work) {
  const auto open = [&](std::optional<TenantTx>& tx, Connection& connection) {
    tx.emplace(connection, owner, context, options_.call_max, access);
  };
  const auto session = access == Access::write ? Access::write : Access::read;
  run<TenantTx>(stop, context, session, open, work);
}

void Pool::run_system(const std::stop_token& stop, const runtime::RequestContext& context,
                      Access access, const std::function<void(SystemTx&)>& work) {
  const auto open = [&](std::optional<SystemTx>& tx, Connection& connection) {
    tx.emplace(connection, context, options_.call_max);
  };
  run<SystemTx>(stop, context, access, open, work);
}

}  // namespace memseal::postgres
