#include "adapters/postgres/audit_log.hpp"

#include "adapters/postgres/internal/audit_rows.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "base/assert.hpp"
#include "pure/crypto/random.hpp"
#include "runtime/log.hpp"
#include "runtime/wall_clock.hpp"

#include <utility>

namespace memseal::postgres {

namespace {

// The ends of the chains that have no checkpoint there: the chain grew, or the checkpoint that says
// that it is longer is a forgery, which must not keep this one away. By the primary key alone, a
// step a chain, because the log may be large.
constexpr const char* grown_chains = R"sql(
WITH RECURSIVE c (chain) AS (
  (SELECT chain FROM app.audit ORDER BY chain LIMIT 1)
  UNION ALL
  SELECT (SELECT a.chain FROM app.audit a WHERE a.chain > c.chain ORDER BY a.chain LIMIT 1)
  FROM c WHERE c.chain IS NOT NULL)
SELECT c.chain, h.seq, h.link FROM c CROSS JOIN LATERAL (
  SELECT a.seq, a.link FROM app.audit a WHERE a.chain = c.chain ORDER BY a.seq DESC LIMIT 1) h
WHERE NOT EXISTS (SELECT FROM app.audit_checkpoints p WHERE p.chain = c.chain AND p.seq = h.seq)
)sql";

}  // namespace

/// Touched by the one thread of the pool only.
struct PgAuditLog::Chain {
  audit::Marks marks;
  crypto::SigningKey signer;
  audit::ChainHead head{.chain = crypto::random_uuid()};
  bool is_signed = false;  // this chain has a checkpoint

  void begin() {
    head = {.chain = crypto::random_uuid()};
    is_signed = false;
  }
  /// Writes `events` behind the head. Returns false where another row has their place. Throws what
  /// run_system() throws.
  bool write(Pool& pool, const std::stop_token& stop, const runtime::RequestContext& context,
             const std::vector<audit::Event>& events);
};

bool PgAuditLog::Chain::write(Pool& pool, const std::stop_token& stop,
                              const runtime::RequestContext& context,
                              const std::vector<audit::Event>& events) {
  auto next = head;
  const auto records = audit::chained(marks, next, events);
  bool is_inserted = false, is_taken = false;
  try {
    pool.run_system(stop, context, Access::write, [&](SystemTx& tx) {
      try {
        tx.transaction().exec(wait_for_rows_little);
        insert_records(tx.transaction(), records);
      } catch (const pqxx::sql_error& failed) {
        is_taken = is_lock_timeout(failed) ||
                   dynamic_cast<const pqxx::unique_violation*>(&failed) != nullptr;
        throw;
      }
      is_inserted = true;
    });
  } catch (...) {
    // The commit may have succeeded, and then these places are taken.
    if (is_inserted) begin();
    if (!is_taken) throw;
    return false;
  }
  head = next;
  return true;
}

PgAuditLog::PgAuditLog(Pool& pool, audit::Marks marks, crypto::SigningKey signer)
    : pool_(pool),
      chain_(std::make_shared<Chain>(Chain{std::move(marks), std::move(signer)})) {
  MEMSEAL_ASSERT(pool.options().connections == 1);
}

asio::awaitable<void> PgAuditLog::append(runtime::RequestContext context,
                                         std::vector<audit::Event> events) {
  std::function<void(const std::stop_token&)> job =
      [&pool = pool_, chain = chain_, context, events = std::move(events)](
          const std::stop_token& stop) {
        if (chain->write(pool, stop, context, events)) return;
        // Somebody who has this role added a row to this chain. `audit verify` finds it; what this
        // process has to say must not wait for that.
        const auto taken = chain->head.chain.to_string();
        runtime::log(runtime::LogLevel::error, "postgres.audit_conflict", {{"chain", taken}});
        chain->begin();
        std::vector<audit::Event> all;
        all.push_back({.action = "audit.conflict",
                       .at_ms = runtime::unix_ms(),
                       .outcome = audit::Outcome::failed,
                       .request_id = taken});
        all.insert(all.end(), events.begin(), events.end());
        if (!chain->write(pool, stop, context, all))
          throw_failure({Errc::unavailable, "the audit log takes no record of a new chain"});
      };
  QueueSlot slot(pool_);
  co_await detail::run_job(pool_, std::move(context), std::move(slot), std::move(job));
}

asio::awaitable<ports::Checkpointed> PgAuditLog::checkpoint(runtime::RequestContext context,
                                                             std::int64_t now_ms,
                                                             std::chrono::seconds every) {
  auto work = [chain = chain_, now_ms, every](SystemTx& system) -> ports::Checkpointed {
    auto& tx = system.transaction();
    const bool is_ours = tx.exec(lock_checkpoints).one_field().as<bool>();
    auto last = newest_checkpoint(tx, chain->signer.verifying_key());
    const auto age = std::chrono::milliseconds(now_ms - last.at_ms);
    // A process holds the lock for the moment in which it signs.
    if (!is_ours && last.n > 0 && age < 2 * every) return {};
    if (!is_ours) return {0, checkpoint_lock_holder(tx)};
    // A negative age: the clock was set back.
    const bool is_fresh = last.n > 0 && age.count() >= 0 && age < every;
    if (is_fresh && (chain->is_signed || chain->head.seq == 0)) return {};
    std::size_t made = 0;
    tx.exec(wait_for_rows_little);
    tx.exec("SAVEPOINT signing");
    try {
      for (const auto& row : tx.exec(grown_chains)) {
        append_checkpoint(tx, last, audit::CheckpointKind::head, head_of(row), now_ms,
                          chain->signer);
        ++made;
      }
    } catch (const pqxx::sql_error& failed) {
      if (!is_lock_timeout(failed)) throw;
      tx.exec("ROLLBACK TO SAVEPOINT signing");
      return {0, checkpoints_writer(tx)};
    }
    chain->is_signed = chain->is_signed || chain->head.seq > 0;
    return {made};
  };
  co_return co_await in_system(pool_, std::move(context), std::move(work), Access::write);
}

}  // namespace memseal::postgres
