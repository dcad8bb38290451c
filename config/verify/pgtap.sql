-- The same promises as tests of pgTAP (https://pgtap.org), for a database that has the extension:
--   pg_prove --dbname "postgresql://OWNER@HOST/DATABASE" config/verify/pgtap.sql
-- Run it as the owner or a superuser, because pgTAP makes objects of its own. It changes nothing.
BEGIN;
SELECT plan(29);

SELECT has_schema('app');
SELECT has_function('app', 'tenant', ARRAY[]::text[]);
SELECT function_lang_is('app', 'tenant', ARRAY[]::text[], 'plpgsql');
SELECT isnt_definer('app', 'tenant', ARRAY[]::text[]);
SELECT volatility_is('app', 'tenant', ARRAY[]::text[], 'stable');
SELECT isnt_superuser('app_user');
SELECT ok(NOT rolbypassrls, 'app_user is bound by row-level security')
FROM pg_catalog.pg_roles WHERE rolname = 'app_user';
SELECT isnt_member_of('memory_owner', ARRAY['app_user']);
SELECT is_empty(
  $$SELECT relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
    ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a
    ON a.attrelid = c.oid AND a.attname = 'user_hash'
    WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p')
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity)$$,
  'row-level security is enabled and forced on every table of tenants');
SELECT policies_are('app', name, ARRAY['tenant_select', 'tenant_insert', 'tenant_update', 'tenant_delete'])
FROM (VALUES ('tenants'), ('tenant_keys'), ('documents'), ('ingest_events'), ('idempotency_keys'),
             ('memory_chunks'), ('files'), ('file_stores'), ('term_blocks')) AS t(name);
SELECT policy_roles_are('app', name, 'tenant_select', ARRAY['app_user'])
FROM (VALUES ('tenants'), ('tenant_keys'), ('documents'), ('ingest_events'), ('idempotency_keys'),
             ('memory_chunks'), ('files'), ('file_stores'), ('term_blocks')) AS t(name);
SELECT table_privs_are('app', 'audit', 'app_user', ARRAY['INSERT']);
SELECT table_privs_are('app', 'audit_checkpoints', 'app_user', ARRAY['INSERT', 'SELECT']);

SELECT * FROM finish();
ROLLBACK;
