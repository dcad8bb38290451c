SET LOCAL ROLE memory_owner;

DROP TABLE app.erasures;
DROP TABLE app.audit_checkpoints;
DROP TABLE app.audit;

RESET ROLE;
