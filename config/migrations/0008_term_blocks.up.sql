-- The terms of each tenant's chunks, for lexical search: keyed hashes of words and how often a chunk has
-- them, sealed as a whole. A block holds the terms of chunks that are deleted together, and goes with the
-- first of them: also where a release deletes that knows nothing of this table.
SET LOCAL ROLE memory_owner;

CREATE TABLE app.term_blocks (
  user_hash   varchar(64)  COLLATE "C" NOT NULL,
  first_chunk uuid         NOT NULL,
  doc_id      varchar(255) COLLATE "C" NOT NULL,
  cipher      bytea        NOT NULL CHECK (octet_length(cipher) BETWEEN 34 AND 65569),
  PRIMARY KEY (user_hash, first_chunk),
  FOREIGN KEY (user_hash, first_chunk) REFERENCES app.memory_chunks (user_hash, id) ON DELETE CASCADE
);
-- Keyed hashes and ciphertext do not compress.
ALTER TABLE app.term_blocks ALTER COLUMN cipher SET STORAGE EXTERNAL;
CREATE INDEX term_blocks_by_doc ON app.term_blocks (user_hash, doc_id);
GRANT SELECT, INSERT, DELETE, UPDATE (cipher) ON app.term_blocks TO app_user;

ALTER TABLE app.term_blocks ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.term_blocks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_select ON app.term_blocks FOR SELECT TO app_user
  USING (user_hash = (SELECT app.tenant()));
CREATE POLICY tenant_insert ON app.term_blocks FOR INSERT TO app_user
  WITH CHECK (user_hash = (SELECT app.tenant()));
CREATE POLICY tenant_update ON app.term_blocks FOR UPDATE TO app_user
  USING (user_hash = (SELECT app.tenant())) WITH CHECK (user_hash = (SELECT app.tenant()));
CREATE POLICY tenant_delete ON app.term_blocks FOR DELETE TO app_user
  USING (user_hash = (SELECT app.tenant()));

RESET ROLE;
