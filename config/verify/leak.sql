-- Two new tenants A and B write a row each, and A, B and a third tenant C look for them; by psql alone,
-- as the role that serves:
--   psql -X "postgresql://app_user@HOST/DATABASE" -f config/verify/leak.sql
-- Prints "leak: A=1 B=1 C=0" and rolls everything back. psql ends with status 3 for any other counts.
\set QUIET on
\set ON_ERROR_STOP on
BEGIN;
SELECT encode(sha256(convert_to(gen_random_uuid()::text, 'UTF8')), 'hex') AS a,
       encode(sha256(convert_to(gen_random_uuid()::text, 'UTF8')), 'hex') AS b,
       encode(sha256(convert_to(gen_random_uuid()::text, 'UTF8')), 'hex') AS c \gset

SET LOCAL app.user_hash = :'a';
INSERT INTO app.memory_chunks (id, user_hash, doc_id, source, text_cipher, chunk_index, char_start,
                               char_end, model)
VALUES (gen_random_uuid(), :'a', 'leak.sql', 'api', decode(repeat('00', 34), 'hex'), 0, 0, 1, '-');
SET LOCAL app.user_hash = :'b';
INSERT INTO app.memory_chunks (id, user_hash, doc_id, source, text_cipher, chunk_index, char_start,
                               char_end, model)
VALUES (gen_random_uuid(), :'b', 'leak.sql', 'api', decode(repeat('00', 34), 'hex'), 0, 0, 1, '-');

SET LOCAL app.user_hash = :'a';
SELECT count(*) AS seen_by_a FROM app.memory_chunks WHERE doc_id = 'leak.sql' \gset
SET LOCAL app.user_hash = :'b';
SELECT count(*) AS seen_by_b FROM app.memory_chunks WHERE doc_id = 'leak.sql' \gset
SET LOCAL app.user_hash = :'c';
SELECT count(*) AS seen_by_c FROM app.memory_chunks WHERE doc_id = 'leak.sql' \gset
ROLLBACK;

\echo leak: A=:seen_by_a B=:seen_by_b C=:seen_by_c
SELECT (:seen_by_a, :seen_by_b, :seen_by_c) <> (1, 1, 0) AS failed \gset
\if :failed
DO $$ BEGIN RAISE EXCEPTION 'rows pass between tenants'; END $$;
\endif
