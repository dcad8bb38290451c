-- Reverts 0001_init and deletes all data. Fails while schema app holds objects of others.
DROP TABLE app.memory_chunks, app.idempotency_keys, app.ingest_events, app.documents,
           app.tenant_keys, app.tenants, app.settings;
DROP FUNCTION app.tenant();
DROP SCHEMA app;

REVOKE USAGE ON SCHEMA ${vector} FROM memory_owner, app_user;
REVOKE ALL ON memseal.app_migrations FROM memory_owner;
REVOKE ALL ON SCHEMA memseal FROM memory_owner;

-- Drops the roles that memseal made, unless another database of the cluster uses them.
DO $roles$
DECLARE
  named text;
BEGIN
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I RESET ALL', current_database());
  FOREACH named IN ARRAY ARRAY['app_user', 'memory_migrator', 'memory_owner']
  LOOP
    BEGIN
      IF EXISTS (SELECT FROM pg_catalog.pg_roles
                 WHERE rolname = named AND shobj_description(oid, 'pg_authid') =
                       'made by memseal migrate') THEN
        EXECUTE format('DROP ROLE %I', named);
      END IF;
    EXCEPTION WHEN dependent_objects_still_exist OR object_in_use OR undefined_object THEN
      NULL;
    END;
  END LOOP;
END
$roles$;
