-- The backups that were taken, so that the service tells the age of the newest one. Nothing here is
-- of a tenant.
SET LOCAL ROLE memory_owner;

CREATE TABLE app.backups (
  taken_at timestamptz PRIMARY KEY,  -- of the snapshot: what was written later is not in the backup
  bytes    bigint      NOT NULL,
  release  text        NOT NULL,
  sha256   text        NOT NULL      -- of the manifest
);
GRANT SELECT ON app.backups TO app_user;

RESET ROLE;
