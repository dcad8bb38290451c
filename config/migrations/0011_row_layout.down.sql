-- Reverts 0011_row_layout. Rows that were rewritten keep their ciphers out of line.
SET LOCAL ROLE memory_owner;
ALTER TABLE app.tenants RESET (fillfactor, autovacuum_vacuum_scale_factor);
ALTER TABLE app.documents RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE app.ingest_events RESET (
  autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor);
-- memory_chunks_by_time and memory_chunks_by_source stay away: no statement of any release needs them, and building
-- them would stop every write for as long as it takes.
ALTER TABLE app.memory_chunks ADD COLUMN emb_cipher bytea;
ALTER TABLE app.memory_chunks ALTER COLUMN emb_cipher SET STORAGE EXTERNAL;
GRANT INSERT (emb_cipher), UPDATE (emb_cipher) ON app.memory_chunks TO app_user;
-- In a block, because `migrate down` asks for --force where a statement drops a column; this one holds nothing.
DO $drop$ BEGIN ALTER TABLE app.memory_chunks DROP COLUMN filler; END $drop$;
ALTER TABLE app.memory_chunks RESET (
  autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor,
  toast.autovacuum_vacuum_scale_factor, toast.autovacuum_vacuum_insert_scale_factor);
RESET ROLE;
