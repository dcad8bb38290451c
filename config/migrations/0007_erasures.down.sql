SET LOCAL ROLE memory_owner;

DROP POLICY tenant_update ON app.tenants;
CREATE POLICY tenant_update ON app.tenants FOR UPDATE TO app_user
  USING (user_hash = (SELECT app.tenant()))
  WITH CHECK (user_hash = (SELECT app.tenant()));

ALTER TABLE app.tenants DROP COLUMN erased_counts;

RESET ROLE;
