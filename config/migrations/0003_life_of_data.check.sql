-- What reading and deleting rely on.
SELECT 'the index ' || wanted || ' is missing or invalid'
FROM unnest(ARRAY['app.memory_chunks_in_order', 'app.ingest_events_queued']) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_index
                  WHERE indexrelid = to_regclass(wanted) AND indisvalid);
