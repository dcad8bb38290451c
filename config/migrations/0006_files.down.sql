-- Reverts 0006_files: forgets which files there are. Their objects stay in the file store, which
-- a later `up` does not know: it then needs a new directory.
SET LOCAL ROLE memory_owner;
DROP TABLE app.file_stores;
ALTER TABLE app.tenants DROP COLUMN file_count, DROP COLUMN file_bytes;
DROP TABLE app.files;
RESET ROLE;
