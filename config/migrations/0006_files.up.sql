-- The files of each tenant: what is known of them. Their content lies sealed in the file store, as
-- the names, media types and tags lie sealed here. app.file_stores says which store that is.
SET LOCAL ROLE memory_owner;

CREATE TABLE app.files (
  user_hash    varchar(64) COLLATE "C" NOT NULL,
  id           uuid        NOT NULL,
  object_id    uuid        NOT NULL,  -- of what the store holds; another one where it was repaired
  name_mac     uuid        NOT NULL,  -- keyed hash of the name: tells equal names, and no more
  tag_macs     uuid[]      NOT NULL DEFAULT '{}' CHECK (cardinality(tag_macs) <= 16),
  facts_cipher bytea       NOT NULL CHECK (octet_length(facts_cipher) BETWEEN 34 AND 16384),
  bytes        bigint      NOT NULL CHECK (bytes >= 0),
  content_mac  bytea       NOT NULL CHECK (octet_length(content_mac) = 32),
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_hash, id)
);
CREATE UNIQUE INDEX files_by_content ON app.files (user_hash, name_mac, content_mac);
CREATE UNIQUE INDEX files_by_object ON app.files (user_hash, object_id);
CREATE INDEX files_by_time ON app.files (user_hash, created_at, id);
GRANT SELECT, INSERT, DELETE, UPDATE (object_id) ON app.files TO app_user;

-- Counters, because a count of rows would grow with the files, under the lock of the tenant.
ALTER TABLE app.tenants ADD COLUMN file_count bigint NOT NULL DEFAULT 0 CHECK (file_count >= 0),
                        ADD COLUMN file_bytes bigint NOT NULL DEFAULT 0 CHECK (file_bytes >= 0);
GRANT UPDATE (file_count, file_bytes) ON app.tenants TO app_user;

-- Rows under a hash that no user has, because app_user may write to no table without tenants.
CREATE TABLE app.file_stores (
  user_hash varchar(64) COLLATE "C" NOT NULL,
  name      varchar(64) COLLATE "C" NOT NULL,
  store     uuid        NOT NULL,
  used      boolean     NOT NULL DEFAULT false,
  PRIMARY KEY (user_hash, name)
);
GRANT SELECT, INSERT, DELETE, UPDATE (used) ON app.file_stores TO app_user;

DO $policies$
DECLARE
  named text;
BEGIN
  FOREACH named IN ARRAY ARRAY['files', 'file_stores']
  LOOP
    EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY', named);
    EXECUTE format('ALTER TABLE app.%I FORCE ROW LEVEL SECURITY', named);
    EXECUTE format('CREATE POLICY tenant_select ON app.%I FOR SELECT TO app_user '
                   'USING (user_hash = (SELECT app.tenant()))', named);
    EXECUTE format('CREATE POLICY tenant_insert ON app.%I FOR INSERT TO app_user '
                   'WITH CHECK (user_hash = (SELECT app.tenant()))', named);
    EXECUTE format('CREATE POLICY tenant_update ON app.%I FOR UPDATE TO app_user '
                   'USING (user_hash = (SELECT app.tenant())) '
                   'WITH CHECK (user_hash = (SELECT app.tenant()))', named);
    EXECUTE format('CREATE POLICY tenant_delete ON app.%I FOR DELETE TO app_user '
                   'USING (user_hash = (SELECT app.tenant()))', named);
  END LOOP;
END
$policies$;

RESET ROLE;
