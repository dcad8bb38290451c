#include "adapters/postgres/catalog.hpp"

#include "adapters/postgres/internal/migration_files.hpp"
#include "adapters/postgres/schema.hpp"
#include "support/pg.hpp"
#include "support/tenant_function.hpp"

#include <algorithm>
#include <set>
#include <sstream>

namespace memseal::test {
namespace {

/// A mistake somebody could make by hand or in a migration, and the rule that must see it.
struct Fault {
  const char* rule;
  const char* plant;
  const char* remove;
};

const Fault faults[]{
    {"role_can_bypass", "ALTER ROLE app_user BYPASSRLS", "ALTER ROLE app_user NOBYPASSRLS"},
    {"role_can_bypass", "ALTER ROLE app_user CREATEROLE", "ALTER ROLE app_user NOCREATEROLE"},
    {"role_member_of", "GRANT memory_owner TO app_user", "REVOKE memory_owner FROM app_user"},
    {"role_owns", "CREATE TABLE public.own (n int); ALTER TABLE public.own OWNER TO app_user",
     "DROP TABLE public.own"},
    {"rls_not_forced", "ALTER TABLE app.memory_chunks NO FORCE ROW LEVEL SECURITY",
     "ALTER TABLE app.memory_chunks FORCE ROW LEVEL SECURITY"},
    {"rls_not_forced", "ALTER TABLE app.documents DISABLE ROW LEVEL SECURITY",
     "ALTER TABLE app.documents ENABLE ROW LEVEL SECURITY"},
    {"rls_not_forced", "CREATE TABLE app.bare (user_hash text)", "DROP TABLE app.bare"},
    {"rls_not_forced",
     "CREATE TABLE app.parts (user_hash varchar(64)) PARTITION BY HASH (user_hash); "
     "CREATE TABLE public.parts_0 PARTITION OF app.parts FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
     "DROP TABLE app.parts"},
    {"partition_granted",
     "CREATE TABLE app.parts (user_hash varchar(64)) PARTITION BY HASH (user_hash); "
     "CREATE TABLE app.parts_0 PARTITION OF app.parts FOR VALUES WITH (MODULUS 1, REMAINDER 0); "
     "GRANT SELECT ON app.parts_0 TO app_user",
     "DROP TABLE app.parts"},
    {"policy_count", "DROP POLICY tenant_delete ON app.tenants",
     "CREATE POLICY tenant_delete ON app.tenants FOR DELETE TO app_user "
     "USING (user_hash = (SELECT app.tenant()))"},
    {"policy_count", "CREATE POLICY more ON app.tenants FOR SELECT TO app_user USING (true)",
     "DROP POLICY more ON app.tenants"},
    {"policy_expression", "ALTER POLICY tenant_select ON app.documents USING (true)",
     "ALTER POLICY tenant_select ON app.documents USING (user_hash = (SELECT app.tenant()))"},
    {"policy_expression", "ALTER POLICY tenant_insert ON app.documents WITH CHECK (true)",
     "ALTER POLICY tenant_insert ON app.documents WITH CHECK "
     "(user_hash = (SELECT app.tenant()))"},
    {"policy_expression", "ALTER POLICY tenant_select ON app.documents "
                          "USING (user_hash = app.tenant())",
     "ALTER POLICY tenant_select ON app.documents USING (user_hash = (SELECT app.tenant()))"},
    // A tombstone that can be taken back.
    {"policy_expression", "ALTER POLICY tenant_update ON app.tenants "
                          "USING (user_hash = (SELECT app.tenant()))",
     "ALTER POLICY tenant_update ON app.tenants "
     "USING (user_hash = (SELECT app.tenant()) AND state <> 'erased')"},
    {"policy_role", "ALTER POLICY tenant_select ON app.documents TO PUBLIC",
     "ALTER POLICY tenant_select ON app.documents TO app_user"},
    {"tenant_function", "ALTER FUNCTION app.tenant() SECURITY DEFINER",
     "ALTER FUNCTION app.tenant() SECURITY INVOKER"},
    {"tenant_function", "ALTER FUNCTION app.tenant() IMMUTABLE",
     "ALTER FUNCTION app.tenant() STABLE"},
    {"tenant_function",
     "CREATE OR REPLACE FUNCTION app.tenant() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE "
     "SET search_path = pg_catalog AS 'BEGIN RETURN current_setting(''x''); END'",
     shipped_tenant_function},
    {"tenant_function",
     "CREATE OR REPLACE FUNCTION app.tenant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE "
     "SET search_path = pg_catalog AS 'SELECT current_setting(''app.user_hash'', true)'",
     shipped_tenant_function},
    {"tenant_function", "ALTER FUNCTION app.tenant() SET search_path = public, pg_catalog",
     "ALTER FUNCTION app.tenant() SET search_path = pg_catalog"},
    {"tenant_function",
     "CREATE FUNCTION app.tenant(int) RETURNS text LANGUAGE sql AS 'SELECT ''x'' '",
     "DROP FUNCTION app.tenant(int)"},
    {"tenant_table_missing",
     "ALTER TABLE app.idempotency_keys RENAME TO hidden; CREATE VIEW app.idempotency_keys "
     "WITH (security_invoker = true) AS TABLE app.hidden",
     "DROP VIEW app.idempotency_keys; ALTER TABLE app.hidden RENAME TO idempotency_keys"},
    {"view_without_security_invoker",
     "CREATE VIEW public.inner_view AS SELECT * FROM app.documents; "
     "CREATE VIEW public.outer_view AS SELECT * FROM public.inner_view",
     "DROP VIEW public.outer_view, public.inner_view"},
    {"matview_readable",
     "CREATE MATERIALIZED VIEW public.m AS SELECT * FROM app.documents; "
     "GRANT SELECT ON public.m TO app_user",
     "DROP MATERIALIZED VIEW public.m"},
    {"secdef_function",
     "CREATE FUNCTION public.dump() RETURNS bigint LANGUAGE sql SECURITY DEFINER "
     "SET search_path = pg_catalog AS 'SELECT count(*) FROM app.documents'",
     "DROP FUNCTION public.dump()"},
    {"user_function_in_table",
     "CREATE FUNCTION public.spy(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'; "
     "ALTER TABLE app.documents ADD CONSTRAINT spied CHECK (public.spy(doc_id)) NOT VALID",
     "ALTER TABLE app.documents DROP CONSTRAINT spied; DROP FUNCTION public.spy(text)"},
    {"granted_to_public", "GRANT SELECT (wrapped) ON app.tenant_keys TO PUBLIC",
     "REVOKE SELECT (wrapped) ON app.tenant_keys FROM PUBLIC"},
    {"schema_creatable", "GRANT CREATE ON SCHEMA pg_catalog TO app_user",
     "REVOKE CREATE ON SCHEMA pg_catalog FROM app_user"},
    {"global_table_writable", "GRANT UPDATE ON app.settings TO app_user",
     "REVOKE UPDATE ON app.settings FROM app_user"},
    {"global_table_writable", "GRANT UPDATE (at) ON app.audit TO app_user",
     "REVOKE UPDATE (at) ON app.audit FROM app_user"},
    {"global_table_writable", "GRANT DELETE ON app.audit_checkpoints TO app_user",
     "REVOKE DELETE ON app.audit_checkpoints FROM app_user"},
    {"audit_readable", "GRANT SELECT ON app.audit TO app_user",
     "REVOKE SELECT ON app.audit FROM app_user; "
     "GRANT SELECT (chain, seq, link) ON app.audit TO app_user"},
    {"view_without_security_invoker", "CREATE VIEW app.v AS SELECT * FROM app.documents",
     "DROP VIEW app.v"},
    {"view_without_security_invoker",
     "CREATE VIEW app.v WITH (security_invoker = false) AS SELECT * FROM app.documents",
     "DROP VIEW app.v"},
    {"matview_readable", "CREATE MATERIALIZED VIEW app.m AS SELECT * FROM app.documents; "
                         "GRANT SELECT ON app.m TO app_user",
     "DROP MATERIALIZED VIEW app.m"},
    {"dangerous_grant", "GRANT TRUNCATE ON app.memory_chunks TO app_user",
     "REVOKE TRUNCATE ON app.memory_chunks FROM app_user"},
    {"dangerous_grant", "GRANT REFERENCES ON app.memory_chunks TO app_user",
     "REVOKE REFERENCES ON app.memory_chunks FROM app_user"},
    {"dangerous_grant", "GRANT TRIGGER ON app.memory_chunks TO app_user",
     "REVOKE TRIGGER ON app.memory_chunks FROM app_user"},
    {"tenant_column_updatable", "GRANT UPDATE (user_hash) ON app.documents TO app_user",
     "REVOKE UPDATE (user_hash) ON app.documents FROM app_user"},
    {"granted_to_public", "GRANT SELECT ON app.tenants TO PUBLIC",
     "REVOKE SELECT ON app.tenants FROM PUBLIC"},
    {"granted_to_public", "GRANT USAGE ON SCHEMA app TO PUBLIC",
     "REVOKE USAGE ON SCHEMA app FROM PUBLIC"},
    {"schema_creatable", "GRANT CREATE ON SCHEMA app TO app_user",
     "REVOKE CREATE ON SCHEMA app FROM app_user"},
    {"secdef_function",
     "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
     "DROP FUNCTION public.f()"},
    {"secdef_function",
     "CREATE FUNCTION app.f() RETURNS bigint LANGUAGE sql SECURITY DEFINER "
     "SET search_path = pg_catalog AS 'SELECT count(*) FROM app.documents'; "
     "GRANT EXECUTE ON FUNCTION app.f() TO app_user",
     "DROP FUNCTION app.f()"},
    {"unique_index_without_tenant",
     "CREATE UNIQUE INDEX by_event ON app.ingest_events (event_id)", "DROP INDEX app.by_event"},
    {"unique_index_without_tenant",
     "CREATE UNIQUE INDEX by_event ON app.ingest_events (event_id, user_hash)",
     "DROP INDEX app.by_event"},
    {"foreign_key",
     "ALTER TABLE app.ingest_events ADD CONSTRAINT fk FOREIGN KEY (kind) "
     "REFERENCES app.settings (key) NOT VALID",
     "ALTER TABLE app.ingest_events DROP CONSTRAINT fk"},
    {"exclusion_constraint",
     "ALTER TABLE app.ingest_events ADD CONSTRAINT ex EXCLUDE (event_id WITH =)",
     "ALTER TABLE app.ingest_events DROP CONSTRAINT ex"},
    {"shared_vector_index",
     "CREATE INDEX shared ON app.memory_chunks USING hnsw (embedding public.halfvec_cosine_ops)",
     "DROP INDEX app.shared"},
    {"user_trigger",
     "CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
     "CREATE TRIGGER spy BEFORE INSERT ON app.documents FOR EACH ROW EXECUTE FUNCTION public.t()",
     "DROP FUNCTION public.t() CASCADE"},
    {"rewrite_rule", "CREATE RULE spy AS ON INSERT TO app.documents DO ALSO NOTIFY spied",
     "DROP RULE spy ON app.documents"},
    {"leakproof_function",
     "CREATE FUNCTION public.l(int) RETURNS bool LANGUAGE sql LEAKPROOF AS 'SELECT true'",
     "DROP FUNCTION public.l(int)"},
};

class Lint : public MigratedPgTest {
 protected:
  std::vector<postgres::LintFinding> findings() {
    auto found = postgres::lint(database_->super_dsn());
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : std::vector<postgres::LintFinding>();
  }
  /// Only the rules, each once.
  std::set<std::string> rules() {
    std::set<std::string> found;
    for (const auto& finding : findings()) found.insert(finding.rule);
    return found;
  }
  /// As migrations after those that this build knows would leave it.
  void set_schema_version(int version) {
    database_->super("UPDATE app.settings SET value = '" + std::to_string(version) +
                     "' WHERE key = 'schema_version'");
  }
};

// What a release is rolled back onto: the schema of the release after it.
const std::string later_tables =
    "CREATE TABLE app.later (user_hash varchar(64) COLLATE \"C\" PRIMARY KEY, note text); "
    "ALTER TABLE app.later ENABLE ROW LEVEL SECURITY; "
    "ALTER TABLE app.later FORCE ROW LEVEL SECURITY; "
    "CREATE POLICY tenant_select ON app.later FOR SELECT TO app_user "
    "USING (user_hash = (SELECT app.tenant())); "
    "CREATE POLICY tenant_insert ON app.later FOR INSERT TO app_user "
    "WITH CHECK (user_hash = (SELECT app.tenant())); "
    "GRANT SELECT, INSERT ON app.later TO app_user; "
    "CREATE TABLE app.later_log (at timestamptz, note text); "
    "ALTER TABLE app.later_log ENABLE ROW LEVEL SECURITY; "
    "ALTER TABLE app.later_log FORCE ROW LEVEL SECURITY; "
    "CREATE POLICY log_insert ON app.later_log FOR INSERT TO app_user WITH CHECK (true); "
    "GRANT INSERT ON app.later_log TO app_user; "
    "CREATE TABLE app.later_facts (note text)";

TEST_F(Lint, AcceptsTablesOfALaterSchemaAsLongAsTenantsAreKeptApartInThem) {
  using Rules = std::set<std::string>;
  database_->super(later_tables);
  EXPECT_EQ(rules(), (Rules{"global_table_writable", "policy_count", "policy_expression"}))
      << "in a schema of this build nothing is unknown";
  set_schema_version(postgres::schema_version_known + 1);
  for (const auto& finding : findings()) ADD_FAILURE() << finding.rule << ": " << finding.where;
  const auto as_service = postgres::lint_as_service(database_->app_dsn());
  EXPECT_TRUE(as_service && as_service->empty()) << "a service must not become unready";
  const std::pair<const char*, Fault> of_later[]{
      {"tenants without FORCE",
       {"rls_not_forced", "ALTER TABLE app.later NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE app.later FORCE ROW LEVEL SECURITY"}},
      {"a policy of another text",
       {"policy_expression", "ALTER POLICY tenant_select ON app.later USING (true)",
        "ALTER POLICY tenant_select ON app.later USING (user_hash = (SELECT app.tenant()))"}},
      {"a policy for everything",
       {"policy_expression", "CREATE POLICY more ON app.later TO app_user USING (true)",
        "DROP POLICY more ON app.later"}},
      {"a policy for everybody",
       {"policy_role", "ALTER POLICY tenant_select ON app.later TO PUBLIC",
        "ALTER POLICY tenant_select ON app.later TO app_user"}},
      {"a table without row-level security that may be written",
       {"global_table_writable", "GRANT INSERT ON app.later_facts TO app_user",
        "REVOKE INSERT ON app.later_facts FROM app_user"}},
      {"an unknown table of tenants by hand",
       {"rls_not_forced", "CREATE TABLE app.stranger (user_hash text)",
        "DROP TABLE app.stranger"}}};
  for (const auto& [what, fault] : of_later) {
    database_->super(fault.plant);
    EXPECT_TRUE(rules().contains(fault.rule)) << what;
    database_->super(fault.remove);
    EXPECT_EQ(rules(), Rules{}) << what;
  }
  database_->super("DROP TABLE app.later, app.later_log, app.later_facts");
  set_schema_version(postgres::schema_version_known);
}

// A table that is not in the list of those that this build knows would be judged as a later one.
TEST_F(Lint, KnowsEveryTableOfTenantsOfTheShippedSchema) {
  const auto shipped = postgres::read_migrations(migrations_dir());
  ASSERT_TRUE(shipped);
  EXPECT_EQ(postgres::schema_version_known, shipped->back().version);
  std::istringstream tables(database_->super(
      "SELECT string_agg('app.' || relname, ' ') FROM pg_class "
      "WHERE relnamespace = 'app'::regnamespace AND relforcerowsecurity"));
  int count = 0;
  set_schema_version(postgres::schema_version_known + 1);
  for (std::string table; tables >> table; ++count) {
    database_->super("CREATE POLICY more ON " + table + " FOR SELECT TO app_user "
                     "USING (user_hash = (SELECT app.tenant()))");
    EXPECT_EQ(rules(), std::set<std::string>{"policy_count"}) << table;
    database_->super("DROP POLICY more ON " + table);
  }
  EXPECT_GE(count, 9);
  set_schema_version(postgres::schema_version_known);
}

TEST_F(Lint, FindsNothingInTheShippedSchema) {
  for (const auto& finding : findings()) ADD_FAILURE() << finding.rule << ": " << finding.where;
}

TEST_F(Lint, AllowsAVectorIndexOfOneTenantAlone) {
  database_->super("CREATE INDEX alone ON app.memory_chunks USING hnsw "
                   "(embedding public.halfvec_cosine_ops) WHERE user_hash = '" +
                   std::string(64, 'a') + "'");
  EXPECT_TRUE(findings().empty());
  database_->super("DROP INDEX app.alone");
}

TEST_F(Lint, SeesEveryPlantedFaultAndOnlyWhileItIsThere) {
  for (const auto& fault : faults) {
    database_->super(fault.plant);
    const auto found = findings();
    database_->super(fault.remove);
    EXPECT_TRUE(std::any_of(found.begin(), found.end(),
                            [&](const auto& f) { return f.rule == fault.rule; }))
        << fault.rule << " did not see: " << fault.plant;
    for (const auto& left : findings()) {
      ADD_FAILURE() << fault.remove << " leaves " << left.rule << ": " << left.where;
    }
  }
}

}  // namespace
}  // namespace memseal::test
