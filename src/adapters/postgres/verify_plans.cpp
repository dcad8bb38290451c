#include "adapters/postgres/verify.hpp"

#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/plan_check.hpp"
#include "adapters/postgres/internal/run_command.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"

#include <algorithm>
#include <utility>

namespace memseal::postgres {

namespace {

/// How many parameters `sql` has: the highest number behind a `$`.
std::size_t parameters_of(std::string_view sql) {
  std::size_t most = 0;
  for (std::size_t at = sql.find('$'); at != sql.npos; at = sql.find('$', at + 1)) {
    std::size_t number = 0;
    for (auto next = at + 1; next < sql.size() && sql[next] >= '0' && sql[next] <= '9'; ++next)
      number = number * 10 + static_cast<std::size_t>(sql[next] - '0');
    most = std::max(most, number);
  }
  return most;
}

/// Before the names of the statements that are prepared here, so that they meet no others.
const std::string prefix = "memseal_verify_";

std::string prepare_of(const Statement& statement, const std::string& vector_schema) {
  return "PREPARE " + prefix + statement.name + " AS\n  " +
         substitute(std::string(statement.sql), "vector", vector_schema);
}

/// "name" or "name(NULL, NULL)": the plan is generic, so it depends on no value.
std::string call_of(const Statement& statement) {
  std::string call = prefix + std::string(statement.name);
  const auto count = parameters_of(statement.sql);
  for (std::size_t i = 0; i < count; ++i) call += i ? ", NULL" : "(NULL";
  return count ? call + ")" : call;
}

Proof proof_of(const Statement& statement, const std::string& plan) {
  const auto checked = check_plan(plan);
  if (!checked.unbounded.empty()) return {statement.name, false, checked.unbounded};
  return {statement.name, true, checked.indexes.empty() ? "reads no table" : checked.indexes};
}

// The planner asks app.tenant() for its estimate, so a tenant has to be there: this one has no row.
constexpr const char* set_tenant =
    "SET LOCAL app.user_hash = "
    "'0000000000000000000000000000000000000000000000000000000000000000'";

constexpr const char* script_head =
    R"(-- The plans of the statements that the service sends to tables of tenants, by psql alone, as
-- the role that serves, where pgvector lies in schema public:
--   psql -X "postgresql://app_user@HOST/DATABASE" -f config/verify/plans.sql
-- Prints each plan, then "plans: N of N". psql ends with status 3 where a statement would read a
-- table by anything but an index condition on the tenant.
-- Written from the sources: MEMSEAL_REDRAW=1 build/dev/tests/postgres_test writes it again.
\set QUIET on
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = '';
SET LOCAL app.user_hash = '0000000000000000000000000000000000000000000000000000000000000000';
SET LOCAL plan_cache_mode = force_generic_plan;
)";

constexpr const char* script_check = R"(DO $check$
DECLARE
  call text;
  plan json;
BEGIN
  FOREACH call IN ARRAY ARRAY[
    ${calls}] LOOP
    EXECUTE 'EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE ' || call INTO plan;
    RAISE NOTICE '%: %', call, plan;
    -- app.settings has rows of no tenant.
    IF pg_catalog.jsonb_path_exists(
            plan::jsonb,
            '$.** ? (@."Node Type" == "Seq Scan" && !(@."Relation Name" == "settings"))')
       OR pg_catalog.jsonb_path_exists(
            plan::jsonb,
            '$.** ? (@."Node Type" like_regex "^(Bitmap )?Index" &&
                     !(@."Relation Name" == "settings") &&
                     !exists(@."Index Cond" ? (@ like_regex "user_hash\\)?(::text)? = ")))')
    THEN
      RAISE EXCEPTION '% reads a table without the tenant', call;
    END IF;
  END LOOP;
END $check$;
)";

}  // namespace

Result<std::vector<Proof>> verify_plans(const std::string& dsn) {
  return run_command([&] {
    Connection connection(dsn, Access::read);
    pqxx::work tx(connection.session());
    tx.exec(set_tenant);
    tx.exec("SET LOCAL plan_cache_mode = force_generic_plan");
    std::vector<Proof> proofs;
    for (const auto& statement : shipped_statements()) {
      // By SQL and not by the protocol, because a pooler gives the latter names of its own. A
      // rollback leaves a prepared statement, and a pooler lends the session to others.
      const auto name = prefix + std::string(statement.name);
      tx.exec(prepare_of(statement, connection.vector_schema()));
      const auto plan =
          tx.exec("EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE " + call_of(statement)).one_field();
      proofs.push_back(proof_of(statement, plan.c_str()));
      tx.exec("DEALLOCATE " + name);
    }
    return proofs;
  });
}

std::string plans_script(const std::string& vector_schema) {
  std::string script = script_head, calls, ends;
  const auto statements = shipped_statements();
  for (const auto& statement : statements) {
    script += prepare_of(statement, vector_schema) + ";\n";
    calls += (calls.empty() ? "" : ",\n    ") + ("'" + call_of(statement) + "'");
    ends += "DEALLOCATE " + (prefix + std::string(statement.name)) + ";\n";
  }
  script += substitute(script_check, "calls", calls) + ends;
  const auto count = std::to_string(statements.size());
  return script + "\\echo plans: " + count + " of " + count + "\nROLLBACK;\n";
}

}  // namespace memseal::postgres
