-- The role that `memseal backup create` reads with, made by an administrator of the cluster:
--   psql -X "$ADMIN_DSN" -f role.sql       then: \password memory_backup
-- Row-level security is forced on every table of tenants, so even their owner reads no row. This
-- role reads all of them (BYPASSRLS) and changes none: it only adds its line to app.backups.
\set ON_ERROR_STOP on
BEGIN;
DO $role$
BEGIN
  IF to_regrole('memory_backup') IS NULL THEN
    CREATE ROLE memory_backup LOGIN BYPASSRLS NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION
      CONNECTION LIMIT 4;
  END IF;
END
$role$;
GRANT pg_read_all_data TO memory_backup;
GRANT INSERT ON app.backups TO memory_backup;
COMMIT;
