-- Reverts 0010_embed_mac: the next edit of each document embeds it as a whole.
SET LOCAL ROLE memory_owner;
ALTER TABLE app.memory_chunks DROP COLUMN embed_mac;
RESET ROLE;
