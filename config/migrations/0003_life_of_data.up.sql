-- What reading and deleting need: the chunks of a document and the turns of a conversation in their
-- order, the writes that are on their way, and what a deletion deleted.
SET LOCAL ROLE memory_owner;

-- Takes the place of memory_chunks_by_doc, because it begins with the same columns.
CREATE INDEX memory_chunks_in_order
  ON app.memory_chunks (user_hash, doc_id, created_at, chunk_index, id);
DROP INDEX app.memory_chunks_by_doc;

CREATE INDEX ingest_events_queued ON app.ingest_events (user_hash, doc_id)
  WHERE state = 'queued';

-- Chunks that a deletion deleted; NULL for an event that writes.
ALTER TABLE app.ingest_events ADD COLUMN deleted integer;
GRANT UPDATE (deleted) ON app.ingest_events TO app_user;

RESET ROLE;
