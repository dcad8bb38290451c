-- Reverts 0003_life_of_data: forgets how much each deletion deleted.
SET LOCAL ROLE memory_owner;
ALTER TABLE app.ingest_events DROP COLUMN deleted;
DROP INDEX app.ingest_events_queued;
CREATE INDEX memory_chunks_by_doc ON app.memory_chunks (user_hash, doc_id);
DROP INDEX app.memory_chunks_in_order;
RESET ROLE;
