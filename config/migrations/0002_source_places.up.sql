-- Where each event lay in Kafka when it was first published, and which event wrote each document.
-- With both, an event that is published again can be told from a newer one. Rows from before have
-- neither; for them the times decide.
SET LOCAL ROLE memory_owner;

ALTER TABLE app.ingest_events
  ADD COLUMN source_topic     varchar(249) COLLATE "C",
  ADD COLUMN source_partition integer,
  ADD COLUMN source_offset    bigint;
GRANT UPDATE (source_topic, source_partition, source_offset) ON app.ingest_events TO app_user;

ALTER TABLE app.documents ADD COLUMN written_by uuid;
GRANT UPDATE (written_by) ON app.documents TO app_user;

RESET ROLE;
