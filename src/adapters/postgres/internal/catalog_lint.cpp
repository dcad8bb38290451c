#include "adapters/postgres/internal/catalog_lint.hpp"

#include "adapters/postgres/internal/fingerprint.hpp"
#include "adapters/postgres/schema.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace memseal::postgres {

namespace {

// Each branch finds one mistake that would let rows pass between tenants, and returns where it is.
// Why the less obvious rules exist:
// - role_member_of, role_owns: app_user could become another role, or drop what guards its tables.
// - policy_expression, tenant_function: one exact text, because any other one would need a proof of
//   its own. The body counts too: CREATE OR REPLACE keeps every other mark of app.tenant(). One
//   policy has a text of its own: app_user must not change the tombstone of an erased tenant.
// - view_without_security_invoker, secdef_function: both run with the rights of their owner.
// - partition_granted: a query that names a partition obeys the policies of the partition alone.
// - unique_index_without_tenant, exclusion_constraint, foreign_key: PostgreSQL checks constraints
//   without row-level security, so an error would tell one tenant what another tenant has.
// - shared_vector_index: a search in a shared graph finds fewer rows where other tenants lie near.
// - user_trigger, rewrite_rule: they see every row, and may copy it elsewhere.
// - leakproof_function: the planner may run such a function before it applies a policy.
// - tenant_table_missing: another relation under a table's name escapes the rules about tables. The
//   rules are asked after each migration too, so a table that came later is wanted where the column
//   that came with it is there.
// - global_table_writable, audit_readable: the audit log is added to and never changed, and whoever
//   takes over the service learns from it nothing about the users.
// - user_function_in_table: a constraint, default or index expression sees every row, as a trigger.
//
// A release is rolled back onto the schema of the release after it, whose tables it does not know.
// Where the schema is newer ($1), a table that this build does not know and that is under forced
// row-level security may have fewer policies than four (what has none is denied), and may be
// written where it has no tenants. It never may have rows of tenants without forced row-level
// security, or a policy on them of another text. In a schema of this build nothing is unknown.
//
// `rel` is schema app with all partitions of its tables, because a partition may lie in any schema.
constexpr const char* rules = R"sql(
WITH RECURSIVE
ns AS (SELECT oid FROM pg_namespace WHERE nspname = 'app'),
app_user AS (SELECT * FROM pg_roles WHERE rolname = 'app_user'),
members AS (
  SELECT c.oid FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
  UNION
  SELECT i.inhrelid FROM pg_inherits i JOIN members m ON m.oid = i.inhparent),
rel AS (
  SELECT c.*, c.oid::regclass::text AS name, c.oid IN (SELECT inhrelid FROM pg_inherits) AS is_part,
         EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'user_hash'
                 AND NOT a.attisdropped) AS has_tenant,
         $1 AND c.relrowsecurity AND c.relforcerowsecurity AND c.relname NOT IN (
           'tenants', 'tenant_keys', 'documents', 'ingest_events', 'idempotency_keys',
           'memory_chunks', 'files', 'file_stores', 'term_blocks', 'settings', 'backups',
           'erasures', 'audit', 'audit_checkpoints') AS is_later
  FROM pg_class c WHERE c.oid IN (SELECT oid FROM members)),
tab AS (SELECT * FROM rel WHERE relkind IN ('r', 'p')),
pol AS (
  SELECT p.*, t.name, t.is_later, t.has_tenant FROM pg_policy p JOIN tab t ON t.oid = p.polrelid),
grave AS (  -- app.tenants, once its tombstones are for ever
  SELECT t.oid FROM tab t JOIN pg_attribute a ON a.attrelid = t.oid
  WHERE t.relname = 'tenants' AND t.relnamespace = (SELECT oid FROM ns)
    AND a.attname = 'erased_counts' AND NOT a.attisdropped),
reader AS (  -- views and materialised views, in any schema, over the tables of tenants
  SELECT oid FROM tab WHERE has_tenant
  UNION
  SELECT r.ev_class FROM reader x JOIN pg_depend d
    ON d.refclassid = 'pg_class'::regclass AND d.refobjid = x.oid
    AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid)
SELECT 'role_missing' AS rule, 'app_user' AS place WHERE NOT EXISTS (SELECT FROM app_user)
UNION ALL
SELECT 'role_can_bypass', rolname::text FROM app_user
  WHERE rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
UNION ALL
SELECT 'role_member_of', r.rolname::text FROM pg_auth_members m
  JOIN pg_roles r ON r.oid = m.roleid JOIN app_user u ON u.oid = m.member
UNION ALL
SELECT 'role_owns', pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_shdepend d
  JOIN app_user u ON u.oid = d.refobjid
  WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
    AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
SELECT 'role_owns', 'database ' || datname FROM pg_database d JOIN app_user u ON u.oid = d.datdba
  WHERE datname = current_database()
UNION ALL
SELECT 'tenant_table_missing', 'app.' || wanted FROM unnest(ARRAY[
    'tenants', 'tenant_keys', 'documents', 'ingest_events', 'idempotency_keys', 'memory_chunks',
    'files', 'file_stores', 'term_blocks'])
    AS wanted
  WHERE EXISTS (SELECT FROM ns) AND NOT EXISTS (
    SELECT FROM tab t WHERE t.relname = wanted AND t.relnamespace = (SELECT oid FROM ns)
    AND t.has_tenant)
    AND (wanted NOT IN ('files', 'file_stores') OR EXISTS (
      SELECT FROM tab t JOIN pg_attribute a ON a.attrelid = t.oid WHERE t.relname = 'tenants'
      AND t.relnamespace = (SELECT oid FROM ns) AND a.attname = 'file_count'
      AND NOT a.attisdropped))
    AND (wanted <> 'term_blocks' OR EXISTS (
      SELECT FROM pg_constraint c JOIN tab t ON t.oid = c.confrelid
      WHERE c.contype = 'f' AND t.relname = 'memory_chunks'))
UNION ALL
SELECT 'rls_not_forced', name FROM tab
  WHERE (has_tenant OR is_part) AND NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL
SELECT 'policy_count', t.name FROM tab t LEFT JOIN pol p ON p.polrelid = t.oid
  WHERE t.has_tenant AND NOT t.is_part AND NOT t.is_later GROUP BY t.name
  HAVING count(p.oid) <> 4 OR count(DISTINCT p.polcmd) FILTER
         (WHERE p.polcmd IN ('r', 'a', 'w', 'd') AND p.polpermissive) <> 4
UNION ALL
SELECT 'policy_role', name || '.' || polname FROM pol
  WHERE polroles <> ARRAY(SELECT oid FROM app_user)
UNION ALL
SELECT 'policy_expression', name || '.' || polname FROM pol,
  LATERAL (VALUES
      (polqual, polcmd IN ('r', 'w', 'd', '*'),
       polcmd = 'w' AND polrelid IN (SELECT oid FROM grave)),
      (polwithcheck, polcmd IN ('a', 'w', '*'), false))
    AS e(expression, wanted, is_one_way)
  WHERE wanted AND (has_tenant OR NOT is_later)
    AND coalesce(pg_get_expr(expression, polrelid), 'none') <> CASE WHEN is_one_way
    THEN $$(((user_hash)::text = ( SELECT app.tenant() AS tenant)) $$
         || $$AND ((state)::text <> 'erased'::text))$$
    ELSE '((user_hash)::text = ( SELECT app.tenant() AS tenant))' END
UNION ALL
SELECT 'tenant_function', p.oid::regprocedure::text
FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
  WHERE p.proname = 'tenant' AND (p.prosecdef OR p.provolatile <> 's' OR p.pronargs <> 0
        OR p.proowner = (SELECT oid FROM app_user) OR p.prokind <> 'f'
        OR p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')
        OR p.proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog']
        OR regexp_replace(p.prosrc, '\s+', ' ', 'g') <> concat(
             $$ DECLARE hash constant text := current_setting('app.user_hash', true); $$,
             $$BEGIN IF hash IS NULL OR hash !~ '^[0-9a-f]{64}$' THEN $$,
             $$RAISE EXCEPTION 'tenant context missing' USING ERRCODE = '42501'; $$,
             $$END IF; RETURN hash; END $$))
UNION ALL
SELECT 'tenant_function', 'app.tenant() is missing'
  WHERE to_regprocedure('app.tenant()') IS NULL
UNION ALL
SELECT 'global_table_writable', t.name FROM tab t, app_user u
  WHERE NOT t.has_tenant AND NOT t.is_later
    AND NOT (t.relname = 'erasures' AND t.relnamespace = (SELECT oid FROM ns)) AND (
    has_any_column_privilege(u.oid, t.oid, 'UPDATE') OR
    has_table_privilege(u.oid, t.oid, 'DELETE') OR
    (has_any_column_privilege(u.oid, t.oid, 'INSERT') AND NOT (
      t.relnamespace = (SELECT oid FROM ns)
      AND t.relname IN ('audit', 'audit_checkpoints'))))
UNION ALL
SELECT 'audit_readable', t.name || '.' || c.attname FROM tab t
  JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped, app_user u
  WHERE t.relname = 'audit' AND t.relnamespace = (SELECT oid FROM ns)
    AND c.attname NOT IN ('chain', 'seq', 'link')
    AND has_column_privilege(u.oid, t.oid, c.attnum, 'SELECT')
UNION ALL
SELECT 'view_without_security_invoker', c.oid::regclass::text FROM pg_class c
  WHERE relkind = 'v' AND c.oid IN (SELECT oid FROM rel UNION SELECT oid FROM reader)
    AND NOT EXISTS (SELECT FROM unnest(reloptions) o
        WHERE lower(o) IN ('security_invoker=true', 'security_invoker=on', 'security_invoker=1'))
UNION ALL
SELECT 'matview_readable', r.oid::regclass::text FROM pg_class r, app_user u
  WHERE r.relkind = 'm' AND r.oid IN (SELECT oid FROM rel UNION SELECT oid FROM reader)
    AND has_any_column_privilege(u.oid, r.oid, 'SELECT')
UNION ALL
SELECT 'foreign_table_readable', r.name FROM rel r, app_user u
  WHERE r.relkind = 'f' AND has_any_column_privilege(u.oid, r.oid, 'SELECT')
UNION ALL
SELECT 'partition_granted', t.name FROM tab t, app_user u
  WHERE t.is_part AND (has_any_column_privilege(u.oid, t.oid, 'SELECT, INSERT, UPDATE')
        OR has_table_privilege(u.oid, t.oid, 'DELETE'))
UNION ALL
SELECT 'dangerous_grant', t.name FROM tab t, app_user u
  WHERE has_table_privilege(u.oid, t.oid, 'TRUNCATE, TRIGGER')
     OR has_any_column_privilege(u.oid, t.oid, 'REFERENCES')
UNION ALL
SELECT 'tenant_column_updatable', t.name FROM tab t, app_user u
  WHERE t.has_tenant AND has_column_privilege(u.oid, t.oid, 'user_hash', 'UPDATE')
UNION ALL
SELECT 'granted_to_public', r.name FROM rel r, aclexplode(r.relacl) a WHERE a.grantee = 0
UNION ALL
SELECT 'granted_to_public', r.name || '.' || c.attname FROM rel r
  JOIN pg_attribute c ON c.attrelid = r.oid, aclexplode(c.attacl) a WHERE a.grantee = 0
UNION ALL
SELECT 'granted_to_public', 'schema ' || n.nspname FROM pg_namespace n, aclexplode(n.nspacl) a
  WHERE n.nspname = 'app' AND a.grantee = 0
UNION ALL
SELECT 'schema_creatable', n.nspname::text FROM pg_namespace n, app_user u
  WHERE n.nspname !~ '^pg_(temp|toast)' AND has_schema_privilege(u.oid, n.oid, 'CREATE')
UNION ALL
SELECT 'schema_creatable', 'database ' || current_database() FROM app_user u
  WHERE has_database_privilege(u.oid, current_database(), 'CREATE')
UNION ALL
SELECT 'secdef_function', p.oid::regprocedure::text FROM pg_proc p, app_user u
  WHERE p.prosecdef AND p.oid >= 16384 AND has_function_privilege(u.oid, p.oid, 'EXECUTE')
UNION ALL
SELECT 'unique_index_without_tenant', i.indexrelid::regclass::text FROM pg_index i
  JOIN tab t ON t.oid = i.indrelid WHERE i.indisunique AND t.has_tenant AND NOT EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'user_hash'
    AND a.attnum = i.indkey[0])
UNION ALL
SELECT 'exclusion_constraint', c.conname || ' on ' || t.name FROM pg_constraint c
  JOIN tab t ON t.oid = c.conrelid WHERE c.contype = 'x'
UNION ALL
SELECT 'foreign_key', c.conname || ' on ' || t.name FROM pg_constraint c
  JOIN tab t ON t.oid = c.conrelid WHERE c.contype = 'f' AND t.has_tenant AND NOT EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'user_hash'
    AND a.attnum = ANY (c.conkey))
UNION ALL
SELECT 'shared_vector_index', i.indexrelid::regclass::text FROM pg_index i
  JOIN tab t ON t.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_am m ON m.oid = x.relam
  WHERE t.has_tenant AND m.amname IN ('hnsw', 'ivfflat')
    AND coalesce(pg_get_expr(i.indpred, i.indrelid), '') !~ 'user_hash\)::text = ''[0-9a-f]{64}'''
UNION ALL
SELECT 'user_trigger', g.tgname || ' on ' || t.name FROM pg_trigger g
  JOIN tab t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal
UNION ALL
SELECT 'rewrite_rule', r.rulename || ' on ' || t.name FROM pg_rewrite r
  JOIN tab t ON t.oid = r.ev_class
UNION ALL
SELECT DISTINCT 'user_function_in_table', p.oid::regprocedure::text || ' in ' || t.name
FROM tab t JOIN pg_depend own ON own.refclassid = 'pg_class'::regclass AND own.refobjid = t.oid
  JOIN pg_depend d ON d.classid = own.classid AND d.objid = own.objid
  JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
  WHERE p.oid >= 16384 AND own.classid IN
    ('pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_class'::regclass)
  AND NOT EXISTS (SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid
    WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'
    AND x.extname = 'vector')
UNION ALL
SELECT 'leakproof_function', p.oid::regprocedure::text FROM pg_proc p
  WHERE p.proleakproof AND p.oid >= 16384
ORDER BY 1, 2
)sql";

// The rules above are about the role named app_user, so the session has to be of that role and of
// no other, also not of one that became app_user and can become itself again.
// A tenant that is set for the whole session would turn a statement without a tenant from an error
// into a statement of that tenant.
constexpr const char* session_rules = R"sql(
SELECT 'session_role' AS rule, session_user || ' as ' || current_user AS place
  WHERE session_user <> 'app_user' OR current_user <> 'app_user'
UNION ALL
SELECT 'session_tenant', 'app.user_hash is set without a transaction of a tenant'
  WHERE coalesce(current_setting('app.user_hash', true), '') <> ''
ORDER BY 1, 2
)sql";

std::vector<LintFinding> findings_of(const pqxx::result& rows) {
  std::vector<LintFinding> findings;
  for (const auto& row : rows) findings.push_back({row[0].c_str(), row[1].c_str()});
  return findings;
}

/// Whether migrations that this build does not know were run. False where the schema says nothing.
bool is_newer_schema(pqxx::transaction_base& tx) {
  const auto readable = tx.exec(
      "SELECT coalesce(has_table_privilege(to_regclass('app.settings'), 'SELECT'), false)");
  if (!readable.one_field().as<bool>()) return false;
  const auto rows = tx.exec("SELECT value FROM app.settings WHERE key = $1",
                            pqxx::params{setting::schema_version});
  if (rows.empty()) return false;
  const auto text = rows[0][0].view();
  int version = 0;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return version > schema_version_known;
}

}  // namespace

std::vector<LintFinding> lint_catalog(pqxx::transaction_base& tx) {
  return findings_of(tx.exec(rules, pqxx::params{is_newer_schema(tx)}));
}

std::vector<LintFinding> lint_catalog_and_session(pqxx::transaction_base& tx) {
  auto findings = lint_catalog(tx);
  auto of_session = findings_of(tx.exec(session_rules));
  std::move(of_session.begin(), of_session.end(), std::back_inserter(findings));
  return findings;
}

}  // namespace memseal::postgres
