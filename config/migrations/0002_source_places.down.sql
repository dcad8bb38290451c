-- Reverts 0002_source_places: forgets where events lay and which event wrote a document.
SET LOCAL ROLE memory_owner;
ALTER TABLE app.documents DROP COLUMN written_by;
ALTER TABLE app.ingest_events
  DROP COLUMN source_topic, DROP COLUMN source_partition, DROP COLUMN source_offset;
RESET ROLE;
