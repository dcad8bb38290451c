-- Reverts 0005_backups: forgets which backups were taken. The backups themselves stay.
SET LOCAL ROLE memory_owner;
DROP TABLE app.backups;
RESET ROLE;
