#include "adapters/postgres/catalog.hpp"
#include "adapters/postgres/verify.hpp"

#include "adapters/postgres/internal/shipped_statements.hpp"
#include "support/pg.hpp"
#include "support/tenant_function.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

namespace memseal::test {
namespace {

using postgres::Proof;
using Proofs = std::vector<Proof>;

/// The names of the proofs that do not hold.
std::vector<std::string> broken(const Result<Proofs>& proofs) {
  EXPECT_TRUE(proofs) << proofs.error().message;
  std::vector<std::string> names;
  if (!proofs) return {"nothing was proven"};
  for (const auto& proof : *proofs)
    if (!proof.holds) names.push_back(proof.name + ": " + proof.detail);
  return names;
}

class Verify : public MigratedPgTest {
 protected:
  std::string dsn() const { return database_->app_dsn(); }
};

TEST_F(Verify, ApprovesTheShippedSchemaAndLeavesNothingBehind) {
  EXPECT_THAT(broken(postgres::verify_rls(dsn())), testing::IsEmpty());
  EXPECT_THAT(broken(postgres::verify_leak(dsn())), testing::IsEmpty());
  EXPECT_THAT(broken(postgres::verify_plans(dsn())), testing::IsEmpty());
  EXPECT_EQ(database_->super("SELECT count(*) FROM app.memory_chunks"), "0");
}

TEST_F(Verify, PlansEveryStatementThatIsShippedOnce) {
  std::set<std::string> names;
  for (const auto& statement : postgres::shipped_statements())
    EXPECT_TRUE(names.insert(statement.name).second) << statement.name;
  EXPECT_GE(names.size(), 25u);
  const auto proofs = postgres::verify_plans(dsn());
  ASSERT_TRUE(proofs) << proofs.error().message;
  EXPECT_EQ(proofs->size(), names.size());
  const auto script = postgres::plans_script("public");
  for (const auto& name : names)
    EXPECT_NE(script.find("PREPARE memseal_verify_" + name + " AS"), std::string::npos) << name;
}

/// What somebody did to a database that serves, and which proofs see it.
struct Sabotage {
  const char* plant;
  const char* remove;
  bool seen_by_leak;  ///< rows pass between tenants, or a missing tenant is no error
};

const Sabotage sabotages[]{
    {"ALTER TABLE app.memory_chunks DISABLE ROW LEVEL SECURITY",
     "ALTER TABLE app.memory_chunks ENABLE ROW LEVEL SECURITY", true},
    {"ALTER TABLE app.memory_chunks NO FORCE ROW LEVEL SECURITY",
     "ALTER TABLE app.memory_chunks FORCE ROW LEVEL SECURITY", false},
    {"CREATE POLICY more ON app.memory_chunks FOR SELECT TO app_user USING (true)",
     "DROP POLICY more ON app.memory_chunks", true},
    {"CREATE OR REPLACE FUNCTION app.tenant() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE "
     "SET search_path = pg_catalog AS 'BEGIN RETURN current_setting(''app.user_hash'', true); END'",
     shipped_tenant_function, true},
    {"CREATE OR REPLACE FUNCTION app.tenant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE "
     "SET search_path = pg_catalog AS 'SELECT current_setting(''app.user_hash'', true)'",
     shipped_tenant_function, true},
    {"ALTER FUNCTION app.tenant() SET search_path = public",
     "ALTER FUNCTION app.tenant() SET search_path = pg_catalog", false},
    // As after a restore that left the policies out: nothing is found, by anybody.
    {"DROP POLICY tenant_select ON app.memory_chunks",
     "CREATE POLICY tenant_select ON app.memory_chunks FOR SELECT TO app_user "
     "USING (user_hash = (SELECT app.tenant()))",
     true},
};

TEST_F(Verify, SeesEverySabotageAndOnlyWhileItIsThere) {
  for (const auto& sabotage : sabotages) {
    SCOPED_TRACE(sabotage.plant);
    database_->super(sabotage.plant);
    const auto rls = broken(postgres::verify_rls(dsn()));
    const auto leak = broken(postgres::verify_leak(dsn()));
    const auto lint = postgres::lint_as_service(dsn());
    database_->super(sabotage.remove);
    EXPECT_FALSE(rls.empty());
    EXPECT_EQ(!leak.empty(), sabotage.seen_by_leak);
    ASSERT_TRUE(lint);
    EXPECT_EQ(postgres::check_isolation(*lint).error().code, Errc::not_isolated);
    EXPECT_THAT(broken(postgres::verify_rls(dsn())), testing::IsEmpty());
  }
}

TEST_F(Verify, SeesASessionOfAnotherRoleAndOneWithATenantOfItsOwn) {
  const auto rules = [&](const std::string& dsn) {
    std::vector<std::string> names;
    const auto found = postgres::lint_as_service(dsn);
    EXPECT_TRUE(found) << found.error().message;
    if (found)
      for (const auto& finding : *found) names.push_back(finding.rule);
    return names;
  };
  EXPECT_THAT(rules(dsn()), testing::IsEmpty());
  EXPECT_THAT(rules(database_->super_dsn()), testing::Contains("session_role"));
  EXPECT_THAT(rules(database_->super_dsn() + " options='-c role=app_user'"),
              testing::Contains("session_role"));
  const auto role = "ALTER ROLE app_user IN DATABASE \"" + database_->name() + "\" ";
  database_->super(role + "SET app.user_hash = '" + std::string(64, 'a') + "'");
  const auto found = rules(dsn());
  const auto proofs = broken(postgres::verify_leak(dsn()));
  database_->super(role + "RESET app.user_hash");
  EXPECT_THAT(found, testing::Contains("session_tenant"));
  EXPECT_THAT(proofs, testing::Contains(testing::HasSubstr("without a tenant nothing is read")));
}

TEST_F(Verify, NamesEveryFindingAndFailsWhereItCannotWrite) {
  database_->super("ALTER TABLE app.documents DISABLE ROW LEVEL SECURITY; "
                   "ALTER TABLE app.tenants DISABLE ROW LEVEL SECURITY; "
                   "ALTER TABLE app.tenant_keys DISABLE ROW LEVEL SECURITY; "
                   "ALTER TABLE app.ingest_events DISABLE ROW LEVEL SECURITY; "
                   "DROP POLICY tenant_insert ON app.memory_chunks");
  const auto rls = broken(postgres::verify_rls(dsn()));
  const auto leak = broken(postgres::verify_leak(dsn()));
  database_->super("ALTER TABLE app.documents ENABLE ROW LEVEL SECURITY; "
                   "ALTER TABLE app.tenants ENABLE ROW LEVEL SECURITY; "
                   "ALTER TABLE app.tenant_keys ENABLE ROW LEVEL SECURITY; "
                   "ALTER TABLE app.ingest_events ENABLE ROW LEVEL SECURITY; "
                   "CREATE POLICY tenant_insert ON app.memory_chunks FOR INSERT TO app_user "
                   "WITH CHECK (user_hash = (SELECT app.tenant()))");
  for (const auto* table : {"documents", "tenants", "tenant_keys", "ingest_events"})
    EXPECT_THAT(rls, testing::Contains(std::string("the catalog lint: rls_not_forced: app.") +
                                       table));
  EXPECT_THAT(leak, testing::Contains(testing::HasSubstr("a tenant can write its own row")));
  EXPECT_THAT(broken(postgres::verify_rls(dsn())), testing::IsEmpty());
}

TEST_F(Verify, SeesAPolicyThatLetsATenantDeleteOrChangeEverything) {
  const char* policies[][2]{{"tenant_delete", "USING (true)"},
                            {"tenant_update", "USING (true) WITH CHECK (true)"}};
  for (const auto& [name, open] : policies) {
    database_->super(std::string("ALTER POLICY ") + name + " ON app.memory_chunks " + open);
    const auto leak = broken(postgres::verify_leak(dsn()));
    const bool update = std::string_view(name) == "tenant_update";
    const std::string bound = "(user_hash = (SELECT app.tenant()))";
    database_->super(std::string("ALTER POLICY ") + name + " ON app.memory_chunks USING " + bound +
                     (update ? " WITH CHECK " + bound : ""));
    EXPECT_THAT(leak, testing::Contains(testing::HasSubstr("bound to the tenant"))) << name;
  }
}

TEST_F(Verify, SeesAStatementThatReadsATableWithoutItsIndex) {
  const char* switches[]{"enable_indexscan = off", "enable_bitmapscan = off",
                         "enable_indexonlyscan = off", "enable_seqscan = on"};
  const auto role = "ALTER ROLE app_user IN DATABASE \"" + database_->name() + "\" ";
  for (const auto* setting : switches) database_->super(role + "SET " + setting);
  const auto found = broken(postgres::verify_plans(dsn()));
  for (const auto* setting : switches) {
    const std::string name(setting, std::string_view(setting).find(' '));
    database_->super(role +
                     (name == "enable_seqscan" ? "SET enable_seqscan = off" : "RESET " + name));
  }
  EXPECT_THAT(found, testing::Contains(testing::HasSubstr("Seq Scan on memory_chunks")));
  EXPECT_THAT(broken(postgres::verify_plans(dsn())), testing::IsEmpty());
}

TEST_F(Verify, SaysWhyNothingWasProven) {
  EXPECT_EQ(postgres::verify_rls("host=127.0.0.1 port=1 user=app_user").error().code,
            Errc::unavailable);
}

}  // namespace
}  // namespace memseal::test
