#include "app/cli/operator_audit.hpp"

#include "adapters/postgres/audit_log.hpp"
#include "app/cli/console.hpp"
#include "app/cli/dead_letter_box.hpp"
#include "app/service/wiring.hpp"
#include "runtime/wall_clock.hpp"

#include <unistd.h>

#include <exception>

namespace memseal::app {

namespace {

runtime::RequestContext record_context() {
  return {"operator", runtime::Deadline::after(std::chrono::seconds(15))};
}

/// A chain of its own for one command.
class OperatorChain {
 public:
  OperatorChain(const Config& config, const crypto::Keyring& keyring)
      : pool_(audit_pool_options(config), pg_metrics_),
        log_(pool_, audit::Marks(keyring.audit_key()), keyring.audit_signer()) {}

  void add(const audit::Event& event, audit::Outcome outcome) {
    auto one = event;
    one.at_ms = runtime::unix_ms();
    one.outcome = outcome;
    run_to_end(log_.append(record_context(), {std::move(one)}));
  }
  /// So that nobody cuts the end of this chain, which no process writes any more.
  ports::Checkpointed sign() {
    ports::Checkpointed signed_now;
    const auto work = [&]() -> asio::awaitable<void> {
      signed_now =
          co_await log_.checkpoint(record_context(), runtime::unix_ms(), std::chrono::seconds(0));
    };
    run_to_end(work());
    return signed_now;
  }

 private:
  runtime::Metrics metrics_;
  postgres::PostgresMetrics pg_metrics_{metrics_};
  postgres::Pool pool_;
  postgres::PgAuditLog log_;
};

audit::Outcome outcome_of_command(int code) {
  if (code == exit_ok) return audit::Outcome::done;
  return code == exit_usage || code == exit_not_found ? audit::Outcome::refused
                                                      : audit::Outcome::failed;
}

bool is_recorded(const Config& config) {
  return auditing::parse_scope(config.audit.records) != auditing::Scope::none;
}

void tell_unrecorded(const std::string& why) {
  hint(why + ", so the audit log does not have this");
}

/// Runs `work`, and tells `chain`, which has its beginning, how it ended.
int run_recorded(OperatorChain& chain, const audit::Event& event,
                 const std::function<int()>& work) {
  int code = exit_failed;
  std::exception_ptr failure;
  try {
    code = work();
  } catch (...) {
    failure = std::current_exception();
  }
  try {
    chain.add(event, outcome_of_command(code));
    chain.sign();
  } catch (const Failure& failed) {
    hint("the audit log has the beginning of this and not its end: " + failed.error().message);
  }
  if (failure) std::rethrow_exception(failure);
  return code;
}

audit::Event of_this_user(audit::Event event) {
  event.actor = "uid:" + std::to_string(::getuid());
  return event;
}

}  // namespace

Result<std::string> operator_dsn(const Config& config) {
  const auto& database = config.postgres;
  if (!database.backup_dsn.empty()) return database.backup_dsn;
  if (!database.migrate_dsn.empty()) return database.migrate_dsn;
  return Error{Errc::bad_config,
               "postgres.backup_dsn is not set (env " + env_name("postgres.backup_dsn") + ")",
               "postgres.backup_dsn"};
}

int audited(const Config& config, const crypto::Keyring& keyring, std::string action,
            const std::optional<crypto::Tenant>& who, const std::function<int()>& work) {
  audit::Event event;
  event.action = std::move(action);
  event.who = who;
  return audited(config, keyring, std::move(event), work);
}

int audited(const Config& config, const crypto::Keyring& keyring, audit::Event event,
            const std::function<int()>& work) {
  if (!is_recorded(config)) return work();
  if (config.postgres.dsn.empty()) {
    tell_unrecorded("postgres.dsn is not set");
    return work();
  }
  OperatorChain chain(config, keyring);
  event = of_this_user(std::move(event));
  chain.add(event, audit::Outcome::begun);
  return run_recorded(chain, event, work);
}

int audited_and_signed(const Config& config, const crypto::Keyring& keyring, audit::Event event,
                       const std::function<int()>& work) {
  if (config.postgres.dsn.empty())
    throw_failure({Errc::bad_config,
                   "postgres.dsn is not set (env " + env_name("postgres.dsn") +
                       "): nothing is deleted that no record tells of",
                   "postgres.dsn"});
  OperatorChain chain(config, keyring);
  event = of_this_user(std::move(event));
  chain.add(event, audit::Outcome::begun);
  // Whoever deletes could delete an unsigned record of it too.
  if (const auto signed_now = chain.sign(); signed_now.made == 0)
    throw_failure({Errc::unavailable,
                   "the record of this could not be signed, so nothing is deleted: " +
                       (signed_now.held_by.empty() ? "try again" : signed_now.held_by) +
                       (signed_now.held_by.empty() ? "" : " keeps processes from signing")});
  return run_recorded(chain, event, work);
}

int audited_if_possible(const Config& config, std::string action,
                        const std::optional<crypto::Tenant>& who,
                        const std::function<int()>& work) {
  if (!is_recorded(config)) return work();
  const auto keyring = load_keyring(config);
  if (!keyring || config.postgres.dsn.empty()) {
    tell_unrecorded(keyring ? "postgres.dsn is not set" : keyring.error().message);
    return work();
  }
  std::optional<OperatorChain> chain;
  audit::Event event;
  event.action = std::move(action);
  event.who = who;
  event = of_this_user(std::move(event));
  try {
    chain.emplace(config, *keyring);
    chain->add(event, audit::Outcome::begun);
  } catch (const Failure& failed) {
    tell_unrecorded(failed.error().message);
    return work();
  }
  return run_recorded(*chain, event, work);
}

}  // namespace memseal::app
