#include "adapters/postgres/verify.hpp"

#include "adapters/postgres/internal/catalog_lint.hpp"
#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/plan_check.hpp"
#include "adapters/postgres/internal/run_command.hpp"
#include "base/ids.hpp"
#include "pure/crypto/random.hpp"

#include <array>
#include <set>
#include <utility>

namespace memseal::postgres {

namespace {

/// A session as the role that serves, in a transaction that always ends by ROLLBACK.
class Trial {
 public:
  // Not by Connection, which refuses the very roles that a proof has to find.
  explicit Trial(const std::string& dsn)
      : session_(open_connection(dsn, Access::write)), tx_(session_) {
    session_.set_notice_handler([](pqxx::zview) noexcept {});
  }

  pqxx::result run(const std::string& sql) { return tx_.exec(sql); }

  /// The server's message that refuses `sql`, with the SQLSTATE; empty where the server runs it.
  /// What it did stays only where `keep`.
  std::string refusal(const std::string& sql, bool keep = false) {
    tx_.exec("SAVEPOINT trial");
    std::string message;
    try {
      tx_.exec(sql);
    } catch (const pqxx::sql_error& refused) {
      message = sqlstate_of(refused) + ": " + first_line(refused.what());
    }
    if (!keep || !message.empty()) tx_.exec("ROLLBACK TO SAVEPOINT trial");
    return message;
  }

  void become(const std::string& hash) {
    tx_.exec("SELECT pg_catalog.set_config('app.user_hash', $1, true)", pqxx::params{hash});
  }

  pqxx::transaction_base& transaction() noexcept { return tx_; }

 private:
  pqxx::connection session_;
  pqxx::work tx_;
};

std::string one(const pqxx::result& rows) { return rows.one_field().c_str(); }

Proof counted(std::string name, const std::string& seen, const std::string& wanted) {
  return {std::move(name), seen == wanted, seen};
}

/// The proof that a statement was refused for `cause` and for nothing else.
Proof refused(std::string name, const std::string& message, std::string_view cause) {
  return {std::move(name), message.find(cause) != std::string::npos,
          message.empty() ? "not refused" : message};
}

constexpr std::string_view no_tenant = "tenant context missing", by_policy = "row-level security";
constexpr std::string_view by_grant = "permission denied";

/// The proof that none of `rules` was broken.
Proof unbroken(std::string name, std::string sound, const std::vector<LintFinding>& findings,
               const std::set<std::string>& rules) {
  std::vector<LintFinding> broken;
  for (const auto& finding : findings)
    if (rules.contains(finding.rule)) broken.push_back(finding);
  const bool holds = broken.empty();
  return {std::move(name), holds, holds ? std::move(sound) : describe(broken)};
}

std::string new_user_hash() {
  std::array<std::uint8_t, 32> bytes{};
  crypto::fill_random(bytes);
  return to_hex(bytes.data(), bytes.size());
}

// As ingest writes a chunk, but for the vector: a row without one takes part in everything but the
// search, and the vector's length differs from database to database.
std::string insert_chunk(const std::string& hash) {
  return "INSERT INTO app.memory_chunks (id, user_hash, doc_id, source, text_cipher, chunk_index, "
         "char_start, char_end, model) VALUES (gen_random_uuid(), '" +
         hash + "', 'memseal verify', 'api', decode(repeat('00', 34), 'hex'), 0, 0, 1, 'verify')";
}

/// The proof that a statement without any condition of its own touches rows of its tenant alone.
Proof bound_by_tenant(const std::string& statement, const std::string& plan) {
  const auto checked = check_plan(plan);
  return {"bound to the tenant: " + statement, checked.unbounded.empty(),
          checked.unbounded.empty() ? "by " + checked.indexes : checked.unbounded};
}

constexpr const char* tenant_tables =
    "SELECT c.oid, c.oid::regclass::text AS name, a.attnum FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_hash' "
    "WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p')";

constexpr const char* count_chunks =
    "SELECT count(*) FROM app.memory_chunks WHERE doc_id = 'memseal verify'";

}  // namespace

Result<std::vector<Proof>> verify_rls(const std::string& dsn) {
  return run_command([&] {
    Trial trial(dsn);
    // As every transaction of the service begins, so that a tenant of the session would be seen.
    const auto tenantless = trial.refusal("SELECT count(*) FROM app.memory_chunks");
    trial.run("SET LOCAL search_path = ''");
    const auto tables = one(trial.run(std::string("SELECT count(*) FROM (") + tenant_tables +
                                      ") AS t"));
    const auto findings = lint_catalog_and_session(trial.transaction());

    std::vector<Proof> proofs;
    proofs.push_back(unbroken("row-level security is enabled and forced on every table of tenants",
                              tables + " tables", findings,
                              {"rls_not_forced", "tenant_table_missing"}));
    proofs.push_back(unbroken("each of them has four policies, and each policy names the tenant",
                              tables + " tables", findings,
                              {"policy_count", "policy_role", "policy_expression"}));
    proofs.push_back(unbroken("row-level security binds the role that serves",
                              one(trial.run("SELECT current_user")), findings,
                              {"role_missing", "role_can_bypass", "role_member_of", "role_owns",
                               "session_role"}));
    const auto without = one(trial.run(
        std::string("SELECT coalesce(string_agg(t.name, ', '), '') FROM (") + tenant_tables +
        ") AS t WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid "
        "AND i.indisvalid AND i.indkey[0] = t.attnum)"));
    proofs.push_back({"each of them has an index that begins with the tenant", without.empty(),
                      without.empty() ? tables + " tables" : "none on " + without});
    proofs.push_back(refused("a statement without a tenant is an error, not an empty answer",
                             tenantless, no_tenant));
    for (const auto& finding : findings)
      proofs.push_back({"the catalog lint: " + finding.rule, false, finding.where});
    if (findings.empty())
      proofs.push_back({"the catalog lint finds nothing", true, "all rules hold"});
    return proofs;
  });
}

Result<std::vector<Proof>> verify_leak(const std::string& dsn) {
  return run_command([&] {
    Trial trial(dsn);
    const auto a = new_user_hash(), b = new_user_hash(), c = new_user_hash();
    std::vector<Proof> proofs;
    proofs.push_back(
        refused("without a tenant nothing is read", trial.refusal(count_chunks), no_tenant));
    for (const auto& tenant : {a, b}) {
      trial.become(tenant);
      const auto refusal = trial.refusal(insert_chunk(tenant), true);
      if (!refusal.empty()) {
        proofs.push_back({"a tenant can write its own row", false, refusal});
        return proofs;
      }
    }
    const auto count_as = [&](const std::string& tenant) {
      trial.become(tenant);
      return one(trial.run(count_chunks));
    };
    proofs.push_back(counted("A sees its own row alone", count_as(a), "1"));
    proofs.push_back(counted("B sees its own row alone", count_as(b), "1"));
    proofs.push_back(counted("C, who has none, sees none", count_as(c), "0"));
    for (const auto* table : {"tenants", "tenant_keys", "documents", "ingest_events",
                              "idempotency_keys", "memory_chunks", "files", "file_stores",
                              "term_blocks"})
      proofs.push_back(counted(
          std::string("C sees no row of anybody in ") + table,
          one(trial.run(std::string("SELECT EXISTS (SELECT FROM app.") + table + ")")), "f"));

    trial.become(a);
    const auto of_b = " WHERE user_hash = '" + b + "'";
    proofs.push_back(counted("A finds no row of B by its name",
                             one(trial.run("SELECT count(*) FROM app.memory_chunks" + of_b)), "0"));
    proofs.push_back(
        refused("A cannot write a row of B", trial.refusal(insert_chunk(b)), by_policy));
    proofs.push_back(refused(
        "A cannot move its row to B",
        trial.refusal("UPDATE app.memory_chunks SET user_hash = '" + b + "'"), by_grant));
    // By their plans, because the statements themselves would touch every row where a policy fails.
    for (const auto* statement :
         {"UPDATE app.memory_chunks SET model = 'x'", "DELETE FROM app.memory_chunks"})
      proofs.push_back(bound_by_tenant(
          statement, one(trial.run(std::string("EXPLAIN (FORMAT JSON, COSTS OFF) ") + statement))));
    for (const auto* change : {"UPDATE app.audit SET at = at", "DELETE FROM app.audit",
                               "DELETE FROM app.audit_checkpoints"})
      proofs.push_back(refused(std::string("the audit log cannot be changed: ") + change,
                               trial.refusal(change), by_grant));
    proofs.push_back(refused("nobody reads the audit log through the service",
                             trial.refusal("SELECT tenant FROM app.audit"), by_grant));
    trial.become("");
    proofs.push_back(refused("with an empty tenant nothing is read", trial.refusal(count_chunks),
                             no_tenant));
    trial.become("A'; --");
    proofs.push_back(refused("with a malformed tenant nothing is read",
                             trial.refusal(count_chunks), no_tenant));
    return proofs;
  });
}

}  // namespace memseal::postgres
