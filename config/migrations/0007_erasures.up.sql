-- Erasure of a person: what it destroyed, kept with the tombstone, which nobody can take back.
SET LOCAL ROLE memory_owner;

-- How many documents, chunks, files and so on there were; the receipt of the erasure says it again.
ALTER TABLE app.tenants ADD COLUMN erased_counts jsonb;
GRANT UPDATE (erased_counts) ON app.tenants TO app_user;

-- One way: the role that serves can neither lock nor change a tombstone, and has no right to delete
-- one. A lock (SELECT … FOR UPDATE) obeys the same policy, so it finds no tenant there.
DROP POLICY tenant_update ON app.tenants;
CREATE POLICY tenant_update ON app.tenants FOR UPDATE TO app_user
  USING (user_hash = (SELECT app.tenant()) AND state <> 'erased')
  WITH CHECK (user_hash = (SELECT app.tenant()));

RESET ROLE;
