-- How chunks lie in their table: vectors apart from ciphers in every row, no column and no index without a use, and
-- vacuum by parts of a percent. No row is read or written here, and the release before works on.
SET LOCAL ROLE memory_owner;

-- By default vacuum begins when a fifth of a table is dead: of 100 million rows that is hours of work at once.
-- The other tables come first: each may wait for a vacuum that runs, and stops no reader and no writer meanwhile. As
-- soon as app.memory_chunks is locked nobody reads it until the end, so nothing else is waited for from there on.
ALTER TABLE app.ingest_events SET (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE app.documents SET (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
-- Every write of a tenant changes its row here, and no index: with room on the page nothing else is written.
ALTER TABLE app.tenants SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- A search reads every row of its tenant, so a row must hold its vector and little else. PostgreSQL moves the
-- ciphers out of line only where a row has more than 2,032 bytes, and most have not (0001_init says that every row
-- has). So each new row gets a filler that makes it longer: the ciphers are moved out, and the filler is compressed
-- to some 30 bytes. The default fills whatever release inserts. Rows from before have no filler and stay good;
-- `memseal migrate rewrite` gives them one, in batches. From 1,024 dimensions on the vector alone is long enough.
ALTER TABLE app.memory_chunks ADD COLUMN filler text;
ALTER TABLE app.memory_chunks
  ALTER COLUMN filler SET STORAGE MAIN,
  ALTER COLUMN filler SET DEFAULT repeat(' ', greatest(2048 - 2 * ${dimension}, 0));
-- Nothing else may stand there, because all that a row says lies sealed. NOT VALID, so no row is read.
ALTER TABLE app.memory_chunks ADD CONSTRAINT memory_chunks_filler
  CHECK (filler = repeat(' ', greatest(2048 - 2 * ${dimension}, 0))) NOT VALID;
GRANT UPDATE (filler) ON app.memory_chunks TO app_user;

-- Never written.
ALTER TABLE app.memory_chunks DROP COLUMN emb_cipher;

-- No statement is faster by them. by_source misled the planner: where few chunks are turns, it read all turns of a
-- tenant for one conversation. memory_chunks_by_user stays: its leaves are a twentieth of the primary key's, and
-- name the rows of a tenant in the order in which they lie. IF EXISTS, because `down` does not build them again.
DROP INDEX IF EXISTS app.memory_chunks_by_source;
DROP INDEX IF EXISTS app.memory_chunks_by_time;

ALTER TABLE app.memory_chunks SET (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.02,
  toast.autovacuum_vacuum_insert_scale_factor = 0.05);

RESET ROLE;
