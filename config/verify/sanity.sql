-- Five checks of what keeps tenants apart, by psql alone, as the role that serves:
--   psql -X "postgresql://app_user@HOST/DATABASE" -f config/verify/sanity.sql
-- Prints a line a check, then "sanity: 5 of 5". psql ends with status 3 where a check fails.
-- `memseal verify rls` checks more.
\set QUIET on
BEGIN;
SET LOCAL search_path = '';

-- For the fifth check: with which SQLSTATE does a statement without a tenant fail?
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
SAVEPOINT before;
SELECT count(*) AS ignored FROM app.memory_chunks \gset
\set seen :SQLSTATE
ROLLBACK TO SAVEPOINT before;
\set VERBOSITY default
\set ON_ERROR_STOP on

WITH tenant_table AS (
  SELECT c.oid, c.oid::regclass::text AS name, c.relrowsecurity, c.relforcerowsecurity, a.attnum
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_hash' AND NOT a.attisdropped
  WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p'))
SELECT
  coalesce('FAIL: ' || (
    SELECT string_agg(name, ', ') FROM tenant_table
    WHERE NOT (relrowsecurity AND relforcerowsecurity)), 'ok') AS forced,
  coalesce('FAIL: ' || (
    SELECT string_agg(name, ', ') FROM tenant_table t
    WHERE ARRAY['a', 'd', 'r', 'w'] IS DISTINCT FROM (
      SELECT array_agg(p.polcmd::text ORDER BY p.polcmd::text) FROM pg_policy p
      WHERE p.polrelid = t.oid AND p.polpermissive
        AND p.polroles = ARRAY(SELECT oid FROM pg_roles WHERE rolname = 'app_user')
        AND (p.polcmd = 'a' OR pg_get_expr(p.polqual, t.oid) = CASE
             WHEN p.polcmd = 'w' AND t.oid = 'app.tenants'::regclass  -- no tombstone is changed
             THEN '(((user_hash)::text = ( SELECT app.tenant() AS tenant)) '
                  || 'AND ((state)::text <> ''erased''::text))'
             ELSE '((user_hash)::text = ( SELECT app.tenant() AS tenant))' END)
        AND (p.polcmd IN ('r', 'd') OR pg_get_expr(p.polwithcheck, t.oid) =
             '((user_hash)::text = ( SELECT app.tenant() AS tenant))'))
      OR 4 <> (SELECT count(*) FROM pg_policy p WHERE p.polrelid = t.oid)), 'ok') AS policies,
  coalesce('FAIL: ' || (
    SELECT rolname FROM pg_roles WHERE rolname = session_user
    AND (rolname <> 'app_user' OR current_user <> session_user OR rolsuper OR rolbypassrls
         OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = pg_roles.oid))), 'ok') AS bound,
  coalesce('FAIL: ' || (
    SELECT string_agg(name, ', ') FROM tenant_table t WHERE NOT EXISTS (
      SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisvalid
      AND i.indkey[0] = t.attnum)), 'ok') AS indexed,
  CASE WHEN :'seen' = '42501' THEN 'ok' ELSE 'FAIL: SQLSTATE ' || :'seen' END AS tenantless
\gset
ROLLBACK;

\echo '1 row-level security is enabled and forced on each table of tenants:' :forced
\echo '2 each has four policies, and each policy names the tenant:' :policies
\echo '3 row-level security binds the role of this session:' :bound
\echo '4 each has an index that begins with the tenant:' :indexed
\echo '5 a statement without a tenant is an error:' :tenantless
SELECT (:'forced' = 'ok')::int + (:'policies' = 'ok')::int + (:'bound' = 'ok')::int
       + (:'indexed' = 'ok')::int + (:'tenantless' = 'ok')::int AS held \gset
\echo sanity: :held of 5
SELECT :held < 5 AS failed \gset
\if :failed
DO $$ BEGIN RAISE EXCEPTION 'a sanity check failed'; END $$;
\endif
