#include "adapters/postgres/audit_log.hpp"

#include "adapters/postgres/internal/audit_rows.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "base/assert.hpp"
#include "pure/crypto/random.hpp"

#include <utility>

namespace memseal::postgres {

namespace {

// The ends of the chains that grew since their last checkpoint. By the primary key alone, a step a
// chain, because the log may be large.
constexpr const char* grown_chains = R"sql(
WITH RECURSIVE c (chain) AS (
  (SELECT chain FROM app.audit ORDER BY chain LIMIT 1)
  UNION ALL
  SELECT (SELECT a.chain FROM app.audit a WHERE a.chain > c.chain ORDER BY a.chain LIMIT 1)
  FROM c WHERE c.chain IS NOT NULL)
SELECT c.chain, h.seq, h.link FROM c CROSS JOIN LATERAL (
  SELECT a.seq, a.link FROM app.audit a WHERE a.chain = c.chain ORDER BY a.seq DESC LIMIT 1) h
WHERE h.seq > coalesce((SELECT max(p.seq) FROM app.audit_checkpoints p WHERE p.chain = c.chain), 0)
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
};

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
        auto next = chain->head;
        const auto records = audit::chained(chain->marks, next, events);
        bool is_inserted = false;
        try {
          pool.run_system(stop, context, Access::write, [&](SystemTx& tx) {
            insert_records(tx.transaction(), records);
            is_inserted = true;
          });
        } catch (...) {
          // The commit may have succeeded, and then these places are taken.
          if (is_inserted) chain->begin();
          throw;
        }
        chain->head = next;
      };
  QueueSlot slot(pool_);
  co_await detail::run_job(pool_, std::move(context), std::move(slot), std::move(job));
}

asio::awaitable<std::size_t> PgAuditLog::checkpoint(runtime::RequestContext context,
                                                    std::int64_t now_ms,
                                                    std::chrono::seconds every) {
  auto work = [chain = chain_, now_ms, every](SystemTx& system) -> std::size_t {
    auto& tx = system.transaction();
    if (!tx.exec(lock_checkpoints).one_field().as<bool>()) return 0;
    auto last = newest_checkpoint(tx);
    const auto age = std::chrono::milliseconds(now_ms - last.at_ms);
    // A negative age: the clock was set back.
    const bool is_fresh = last.n > 0 && age.count() >= 0 && age < every;
    if (is_fresh && (chain->is_signed || chain->head.seq == 0)) return 0;
    std::size_t made = 0;
    for (const auto& row : tx.exec(grown_chains)) {
      append_checkpoint(tx, last, audit::CheckpointKind::head, head_of(row), now_ms,
                        chain->signer);
      ++made;
    }
    chain->is_signed = chain->is_signed || chain->head.seq > 0;
    return made;
  };
  co_return co_await in_system(pool_, std::move(context), std::move(work), Access::write);
}

}  // namespace memseal::postgres
