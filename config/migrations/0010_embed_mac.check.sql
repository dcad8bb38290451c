-- Ingest writes the MAC with its chunk, and nobody changes it afterwards.
SELECT 'app_user may not write app.memory_chunks.embed_mac, or may change it'
WHERE NOT has_column_privilege('app_user', 'app.memory_chunks', 'embed_mac', 'INSERT')
   OR has_column_privilege('app_user', 'app.memory_chunks', 'embed_mac', 'UPDATE');
