-- Who read or changed what, and which erasures are to be finished. The audit log is a log that the role that serves can only add to. Nothing here is
-- content, and no name stands in clear: users, tokens and documents are keyed hashes.
SET LOCAL ROLE memory_owner;

-- Each process writes a chain of its own, because one chain for all would make every writer wait
-- for the one before it. A row's link is a keyed hash over the row and the link before it, so a row
-- that was changed, removed or moved breaks its chain (docs/audit.md).
CREATE TABLE app.audit (
  chain      uuid        NOT NULL,
  seq        bigint      NOT NULL CHECK (seq > 0),
  at         timestamptz NOT NULL,               -- by the clock of the process
  action     text        NOT NULL,
  outcome    text        NOT NULL,
  status     smallint    NOT NULL,               -- of HTTP; 0: a command
  tenant     text        NOT NULL,               -- keyed hash of the user; '': none
  actor      text        NOT NULL,
  address    text        NOT NULL,
  request_id text        NOT NULL,
  documents  bytea       NOT NULL,               -- keyed hashes of ids, 8 bytes each
  count      bigint      NOT NULL,               -- of documents; of lost records
  link       bytea       NOT NULL CHECK (octet_length(link) = 32),
  PRIMARY KEY (chain, seq)
);
CREATE INDEX audit_at ON app.audit USING brin (at);

-- How far a chain reached at a time, signed: a chain that ends before it was cut.
CREATE TABLE app.audit_checkpoints (
  n         bigint      PRIMARY KEY CHECK (n > 0),
  at        timestamptz NOT NULL,
  kind      text        NOT NULL CHECK (kind IN ('head', 'pruned')),
  chain     uuid        NOT NULL,
  seq       bigint      NOT NULL,
  link      bytea       NOT NULL CHECK (octet_length(link) = 32),
  previous  bytea       NOT NULL CHECK (octet_length(previous) = 32),
  signature bytea       NOT NULL
);
CREATE INDEX audit_checkpoints_by_chain ON app.audit_checkpoints (chain, seq);

-- Of a record the role that serves reads the place in its chain alone, which says nothing.
GRANT INSERT, SELECT (chain, seq, link) ON app.audit TO app_user;
GRANT INSERT, SELECT ON app.audit_checkpoints TO app_user;

-- Erasures that are not known to have ended, so that a process finishes what another one left when
-- it died. No table of a tenant, because whoever looks for them has none. Whoever adds a row here
-- erases nobody: only tombstones are cleared.
CREATE TABLE app.erasures (
  person   text        PRIMARY KEY CHECK (person ~ '^[0-9a-f]{64}$'),  -- user_hash
  taken_at timestamptz NOT NULL DEFAULT now()  -- when a process began, or went on
);
GRANT SELECT, INSERT, DELETE, UPDATE (taken_at) ON app.erasures TO app_user;

RESET ROLE;
