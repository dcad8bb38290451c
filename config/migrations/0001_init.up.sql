-- The first schema: roles, tenant context, tables, policies.
-- Variables: ${dimension} of every vector, ${vector} schema of the pgvector extension.

-- Roles belong to the whole cluster: made once, marked, never changed when they are there already.
-- Another database of the cluster may be making them at this moment.
DO $roles$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN
    SELECT * FROM (VALUES
      ('memory_owner', 'NOLOGIN'),
      ('memory_migrator', 'LOGIN'),
      ('app_user', 'LOGIN NOINHERIT')) AS r(name, attributes)
  LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name) THEN
        EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE '
                       'NOREPLICATION', wanted.name, wanted.attributes);
        EXECUTE format('COMMENT ON ROLE %I IS %L', wanted.name, 'made by memseal migrate');
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
  BEGIN
    IF NOT pg_has_role('memory_migrator', 'memory_owner', 'MEMBER') THEN
      GRANT memory_owner TO memory_migrator;
    END IF;
  EXCEPTION WHEN unique_violation THEN
    NULL;
  END;
  -- What holds for app_user in this database, whoever connects. Plans never depend on the
  -- planner's guess about a tenant's size: each statement has one sensible plan, by the tenant.
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET search_path = %L', current_database(), '');
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET jit = off', current_database());
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET plan_cache_mode = force_generic_plan',
                 current_database());
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET enable_seqscan = off',
                 current_database());
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET enable_hashjoin = off',
                 current_database());
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET enable_mergejoin = off',
                 current_database());
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET max_parallel_workers_per_gather = 0',
                 current_database());
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET statement_timeout = %L',
                 current_database(), '30s');
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET lock_timeout = %L',
                 current_database(), '2s');
  EXECUTE format('ALTER ROLE app_user IN DATABASE %I SET idle_in_transaction_session_timeout = %L',
                 current_database(), '10s');
END
$roles$;

GRANT USAGE ON SCHEMA memseal TO memory_owner;
GRANT SELECT, INSERT, DELETE ON memseal.app_migrations TO memory_owner;
GRANT USAGE ON SCHEMA ${vector} TO memory_owner, app_user;

CREATE SCHEMA app AUTHORIZATION memory_owner;
SET LOCAL ROLE memory_owner;
GRANT USAGE ON SCHEMA app TO app_user;

-- Whose rows this transaction may touch. A missing tenant is an error, never an empty answer:
-- after a transaction that set it locally the setting reads '', not NULL.
CREATE FUNCTION app.tenant() RETURNS text
  LANGUAGE plpgsql STABLE PARALLEL SAFE
  SET search_path = pg_catalog
AS $tenant$
DECLARE
  hash constant text := current_setting('app.user_hash', true);
BEGIN
  IF hash IS NULL OR hash !~ '^[0-9a-f]{64}$' THEN
    RAISE EXCEPTION 'tenant context missing' USING ERRCODE = '42501';
  END IF;
  RETURN hash;
END
$tenant$;
REVOKE ALL ON FUNCTION app.tenant() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.tenant() TO app_user;

-- Facts about this database, written by migrations only: dimension, model, check of the tenant key.
CREATE TABLE app.settings (
  key   text PRIMARY KEY,
  value text NOT NULL
);
GRANT SELECT ON app.settings TO app_user;

-- A tombstone (state erased) stays for ever, so that a replayed event cannot bring a tenant back.
CREATE TABLE app.tenants (
  user_hash   varchar(64) COLLATE "C" NOT NULL,
  state       varchar(16) NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'erased')),
  chunk_count bigint      NOT NULL DEFAULT 0,
  seals       bigint      NOT NULL DEFAULT 0,  -- made with the active key: a new one takes over in time
  created_at  timestamptz NOT NULL DEFAULT now(),
  erased_at   timestamptz,
  PRIMARY KEY (user_hash)
);
GRANT SELECT, INSERT, UPDATE (state, chunk_count, seals, erased_at) ON app.tenants TO app_user;

CREATE TABLE app.tenant_keys (
  user_hash  varchar(64) COLLATE "C" NOT NULL,
  key_id     bigint      NOT NULL CHECK (key_id BETWEEN 1 AND 4294967295),
  kek_epoch  bigint      NOT NULL CHECK (kek_epoch BETWEEN 0 AND 4294967295),
  wrapped    bytea       NOT NULL,
  kcv        bytea       NOT NULL CHECK (octet_length(kcv) = 16),
  state      varchar(16) NOT NULL DEFAULT 'active'
             CHECK (state IN ('active', 'decrypt_only', 'retired')),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_hash, key_id)
);
GRANT SELECT, INSERT, UPDATE (kek_epoch, wrapped, state), DELETE ON app.tenant_keys TO app_user;

-- Files and conversations. A tombstone (deleted_at) keeps its revision, so that an older event
-- that arrives late stays superseded.
CREATE TABLE app.documents (
  user_hash   varchar(64)  COLLATE "C" NOT NULL,
  doc_id      varchar(255) COLLATE "C" NOT NULL,
  revision    bigint       NOT NULL,
  kind        varchar(16)  NOT NULL CHECK (kind IN ('chat', 'upload', 'api')),
  state       varchar(16)  NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'deleted')),
  name_cipher bytea,
  meta_cipher bytea,
  chunk_count integer      NOT NULL DEFAULT 0,
  created_at  timestamptz  NOT NULL DEFAULT now(),
  updated_at  timestamptz  NOT NULL DEFAULT now(),
  deleted_at  timestamptz,
  PRIMARY KEY (user_hash, doc_id)
);
GRANT SELECT, INSERT, DELETE,
      UPDATE (revision, kind, state, name_cipher, meta_cipher, chunk_count, updated_at, deleted_at)
  ON app.documents TO app_user;

-- The exactly-once ledger and the state of each operation, in one.
CREATE TABLE app.ingest_events (
  user_hash  varchar(64)  COLLATE "C" NOT NULL,
  event_id   uuid         NOT NULL,
  kind       varchar(16)  NOT NULL,
  doc_id     varchar(255) COLLATE "C" NOT NULL,
  state      varchar(16)  NOT NULL CHECK (state IN ('queued', 'succeeded', 'failed')),
  error_code varchar(64),
  chunks     integer      NOT NULL DEFAULT 0,
  created_at timestamptz  NOT NULL DEFAULT now(),
  updated_at timestamptz  NOT NULL DEFAULT now(),
  PRIMARY KEY (user_hash, event_id)
);
GRANT SELECT, INSERT, DELETE, UPDATE (kind, doc_id, state, error_code, chunks, updated_at)
  ON app.ingest_events TO app_user;

CREATE TABLE app.idempotency_keys (
  user_hash       varchar(64)  COLLATE "C" NOT NULL,
  key             varchar(255) COLLATE "C" NOT NULL,
  request_mac     bytea        NOT NULL,
  status          integer      NOT NULL,
  sealed_response bytea,
  created_at      timestamptz  NOT NULL DEFAULT now(),
  expires_at      timestamptz  NOT NULL,
  PRIMARY KEY (user_hash, key)
);
GRANT SELECT, INSERT, DELETE, UPDATE (status, sealed_response, expires_at)
  ON app.idempotency_keys TO app_user;

-- One row is one chunk. A scan must read vectors and not ciphertext: every row that carries its
-- three ciphers is long enough for the TOAST code, which then moves out whatever may be moved
-- (toast_tuple_target), and may move nothing but the ciphers and text_plain.
CREATE TABLE app.memory_chunks (
  id          uuid         NOT NULL,
  user_hash   varchar(64)  COLLATE "C" NOT NULL,
  doc_id      varchar(255) COLLATE "C" NOT NULL,
  source      varchar(16)  COLLATE "C" NOT NULL CHECK (source IN ('chat', 'upload', 'api')),
  text_plain  text,
  text_cipher bytea        NOT NULL CHECK (octet_length(text_cipher) BETWEEN 34 AND 65569),
  meta_cipher bytea,
  embedding   ${vector}.halfvec(${dimension}),
  emb_cipher  bytea,
  chunk_index integer      NOT NULL CHECK (chunk_index >= 0),
  char_start  integer      NOT NULL,
  char_end    integer      NOT NULL,
  created_at  timestamptz  NOT NULL DEFAULT now(),
  updated_at  timestamptz  NOT NULL DEFAULT now(),
  expires_at  timestamptz,
  tags        text[]       NOT NULL DEFAULT '{}',
  model       varchar(255) NOT NULL,
  PRIMARY KEY (user_hash, id)
) WITH (toast_tuple_target = 128);
ALTER TABLE app.memory_chunks
  ALTER COLUMN user_hash SET STORAGE PLAIN,
  ALTER COLUMN doc_id SET STORAGE PLAIN,
  ALTER COLUMN source SET STORAGE PLAIN,
  ALTER COLUMN model SET STORAGE PLAIN,
  ALTER COLUMN tags SET STORAGE MAIN,
  ALTER COLUMN embedding SET STORAGE PLAIN,
  ALTER COLUMN text_cipher SET STORAGE EXTERNAL,
  ALTER COLUMN meta_cipher SET STORAGE EXTERNAL,
  ALTER COLUMN emb_cipher SET STORAGE EXTERNAL;
CREATE INDEX memory_chunks_by_user ON app.memory_chunks (user_hash);
CREATE INDEX memory_chunks_by_time ON app.memory_chunks (user_hash, created_at);
CREATE INDEX memory_chunks_by_doc ON app.memory_chunks (user_hash, doc_id);
CREATE INDEX memory_chunks_by_source ON app.memory_chunks (user_hash, source);
CREATE INDEX memory_chunks_by_expiry ON app.memory_chunks (expires_at)
  WHERE expires_at IS NOT NULL;
-- No plaintext from the service: text_plain is granted for reading alone.
GRANT SELECT, DELETE,
      INSERT (id, user_hash, doc_id, source, text_cipher, meta_cipher, embedding, emb_cipher,
              chunk_index, char_start, char_end, created_at, updated_at, expires_at, tags, model),
      UPDATE (text_cipher, meta_cipher, embedding, emb_cipher, updated_at, expires_at, tags, model)
  ON app.memory_chunks TO app_user;

-- Four policies a table, one for each command, for app_user alone: under FORCE the owner has none
-- and sees nothing. The sub-select makes the tenant one constant of the plan.
DO $policies$
DECLARE
  named text;
BEGIN
  FOREACH named IN ARRAY ARRAY['tenants', 'tenant_keys', 'documents', 'ingest_events',
                               'idempotency_keys', 'memory_chunks']
  LOOP
    EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY', named);
    EXECUTE format('ALTER TABLE app.%I FORCE ROW LEVEL SECURITY', named);
    EXECUTE format('CREATE POLICY tenant_select ON app.%I FOR SELECT TO app_user '
                   'USING (user_hash = (SELECT app.tenant()))', named);
    EXECUTE format('CREATE POLICY tenant_insert ON app.%I FOR INSERT TO app_user '
                   'WITH CHECK (user_hash = (SELECT app.tenant()))', named);
    EXECUTE format('CREATE POLICY tenant_update ON app.%I FOR UPDATE TO app_user '
                   'USING (user_hash = (SELECT app.tenant())) '
                   'WITH CHECK (user_hash = (SELECT app.tenant()))', named);
    EXECUTE format('CREATE POLICY tenant_delete ON app.%I FOR DELETE TO app_user '
                   'USING (user_hash = (SELECT app.tenant()))', named);
  END LOOP;
END
$policies$;

RESET ROLE;
