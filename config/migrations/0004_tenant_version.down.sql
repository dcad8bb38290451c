-- Reverts 0004_tenant_version: forgets how often each tenant's chunks changed.
SET LOCAL ROLE memory_owner;
ALTER TABLE app.tenants DROP COLUMN version;
RESET ROLE;
