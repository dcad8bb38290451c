-- Names what a chunk's vector is made of, by a keyed hash: an edited document keeps the vectors of the chunks
-- that stayed as they were. Rows from before have none and are embedded once more with the next edit.
SET LOCAL ROLE memory_owner;
ALTER TABLE app.memory_chunks ADD COLUMN embed_mac uuid;
GRANT INSERT (embed_mac) ON app.memory_chunks TO app_user;
RESET ROLE;
