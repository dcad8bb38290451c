-- A counter that moves with every change of a tenant's chunks, in the same transaction: what keeps
-- vectors in memory knows by it whether they are those of the database.
SET LOCAL ROLE memory_owner;
ALTER TABLE app.tenants ADD COLUMN version bigint NOT NULL DEFAULT 0;
GRANT UPDATE (version) ON app.tenants TO app_user;
RESET ROLE;
