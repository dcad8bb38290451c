#pragma once
// Writes the audit log beside the work that it is about.
//
// What only reads, and ordinary writes, are noted in a bounded queue and written in batches: a
// request never waits for the log, and where the database stays away longer than the queue lasts,
// records are lost, counted, and the log itself says how many. What must not happen unseen (an
// erasure, an export, a download) is written before it is done, and is refused where it cannot be.
#include "cases/auditing/settings.hpp"
#include "ports/audit_log.hpp"
#include "runtime/metrics.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace memseal::auditing {

namespace asio = boost::asio;
using audit::Event;

/// Which actions are recorded.
enum class Scope { all, changes, none };
/// "all", "changes" or "none".
Scope parse_scope(std::string_view name) noexcept;

/// How much an action must be in the log.
enum class Weight {
  read,     ///< lost before anything else is; Scope::changes leaves it out
  change,   ///< lost where the queue is full
  order,    ///< never dropped by a full queue, and in the process's log at once: an operator must
            ///< be able to act while the database is away
  guarded,  ///< begun only once it is in the log
};

/// The metrics of the audit log, made once at start. Thread: any.
struct AuditMetrics {
  explicit AuditMetrics(runtime::Metrics& metrics);

  runtime::Counter& written;      ///< memseal_audit_records_total{state="written"}
  runtime::Counter& lost;         ///< memseal_audit_records_total{state="lost"}
  runtime::Counter& refused;      ///< memseal_audit_refused_total: guarded actions
  runtime::Counter& failures;     ///< memseal_audit_failures_total: attempts to write
  runtime::Gauge& waiting;        ///< memseal_audit_waiting: records in the queue
  runtime::Gauge& checkpoint_at;  ///< memseal_audit_checkpoint_seconds: Unix time of the last one
  runtime::Gauge& blocked;        ///< memseal_audit_checkpoint_blocked
  runtime::Gauge& checkpoint_every;  ///< memseal_audit_checkpoint_interval_seconds
};

struct AuditorOptions {
  Scope scope = Scope::all;
  std::size_t waiting_max = 16'384;  ///< records in the queue; at most some 24 MiB
  std::size_t batch_max = 1'024;     ///< records of one transaction
  std::chrono::milliseconds every{200};           ///< how long a record waits for others
  std::chrono::milliseconds retry{1'000};         ///< after a failure
  std::chrono::milliseconds commit_max{5'000};    ///< a guarded action waits so long
  std::chrono::seconds checkpoint_every{Settings{}.checkpoint_s};
};

/// Thread: note() and commit() on any, run() and drain() on one executor.
/// Lifetime: `log` and `metrics` outlive it.
class Auditor {
 public:
  Auditor(ports::AuditLog& log, AuditMetrics& metrics, audit::Marks marks, AuditorOptions options);

  /// Queues a record, and hashes its ids at once. Never blocks on I/O.
  void note(Weight weight, Event event);
  /// Writes a record now. Throws Outage{unavailable} where it cannot: what it is about must then
  /// not be done.
  asio::awaitable<void> commit(runtime::RequestContext context, Event event);

  /// Writes what is queued, and checkpoints, until cancelled.
  asio::awaitable<void> run();
  /// Writes what is queued and signs the end of the chain, once, for the end of the process. Never
  /// throws; what cannot be written is counted as lost.
  asio::awaitable<void> drain(runtime::RequestContext context);

  bool is_on() const noexcept { return options_.scope != Scope::none; }

 private:
  struct Waiting {
    Weight weight;
    Event event;
  };

  std::vector<Waiting> take();
  void put_back(std::vector<Waiting> batch);
  asio::awaitable<bool> write_batch(runtime::RequestContext context);
  asio::awaitable<void> sign_ends(std::chrono::seconds every);
  void tell_blocked(const std::string& held_by);

  ports::AuditLog& log_;
  AuditMetrics& metrics_;
  const audit::Marks marks_;
  const AuditorOptions options_;
  std::mutex mutex_;
  std::deque<Waiting> queue_;
  std::int64_t lost_ = 0;  // not yet told by the log
  int blocked_looks_ = 0;  // in turn
};

}  // namespace memseal::auditing
