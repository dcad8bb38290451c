-- The plans of the statements that the service sends to tables of tenants, by psql alone, as
-- the role that serves, where pgvector lies in schema public:
--   psql -X "postgresql://app_user@HOST/DATABASE" -f config/verify/plans.sql
-- Prints each plan, then "plans: N of N". psql ends with status 3 where a statement would read a
-- table by anything but an index condition on the tenant.
-- Written from the sources: MEMSEAL_REDRAW=1 build/dev/tests/postgres_test writes it again.
\set QUIET on
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = '';
SET LOCAL app.user_hash = '0000000000000000000000000000000000000000000000000000000000000000';
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE memseal_verify_nearest AS
  SELECT c.id, c.doc_id, c.source, c.chunk_index, c.char_start, c.char_end, c.tags, (extract(epoch FROM c.created_at) * 1000)::bigint, n.distance, c.text_cipher, c.meta_cipher FROM (SELECT m.ctid AS place, m.id, ((m.embedding OPERATOR(public.<=>) $1::public.halfvec) + 0)::float4 AS distance FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.embedding IS NOT NULL AND (m.expires_at IS NULL OR m.expires_at > now()) ORDER BY distance, id LIMIT $2::bigint) n JOIN app.memory_chunks c ON c.ctid = n.place AND c.user_hash = (SELECT app.tenant()) ORDER BY n.distance, n.id;
PREPARE memseal_verify_nearest_filtered AS
  SELECT c.id, c.doc_id, c.source, c.chunk_index, c.char_start, c.char_end, c.tags, (extract(epoch FROM c.created_at) * 1000)::bigint, n.distance, c.text_cipher, c.meta_cipher FROM (SELECT s.place, s.id, s.distance FROM (SELECT m.ctid AS place, m.id, ((m.embedding OPERATOR(public.<=>) $1::public.halfvec) + 0)::float4 AS distance FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.embedding IS NOT NULL AND (m.expires_at IS NULL OR m.expires_at > now()) AND ($3::text[] = '{}' OR m.source = ANY ($3::text[])) AND ($4::text[] = '{}' OR m.tags @> $4::text[]) AND ($5::text[] = '{}' OR m.doc_id = ANY ($5::text[])) AND ($6::text[] = '{}' OR m.tags && $6::text[]) AND NOT m.tags && $7::text[] AND m.doc_id <> ALL ($8::text[]) AND ($9::bigint IS NULL OR m.created_at > to_timestamp($9::bigint / 1000.0)) AND ($10::bigint IS NULL OR m.created_at < to_timestamp($10::bigint / 1000.0)) AND ($11::uuid[] = '{}' OR m.id = ANY ($11::uuid[])) OFFSET 0) s WHERE $12::float4 IS NULL OR (s.distance, s.id) > ($12::float4, $13::uuid) ORDER BY distance, id LIMIT $2::bigint) n JOIN app.memory_chunks c ON c.ctid = n.place AND c.user_hash = (SELECT app.tenant()) ORDER BY n.distance, n.id;
PREPARE memseal_verify_nearest_labels AS
  SELECT c.id, c.doc_id, c.source, c.chunk_index, c.char_start, c.char_end, c.tags, (extract(epoch FROM c.created_at) * 1000)::bigint, n.distance, ''::bytea, c.meta_cipher FROM (SELECT s.place, s.id, s.distance FROM (SELECT m.ctid AS place, m.id, ((m.embedding OPERATOR(public.<=>) $1::public.halfvec) + 0)::float4 AS distance FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.embedding IS NOT NULL AND (m.expires_at IS NULL OR m.expires_at > now()) AND ($3::text[] = '{}' OR m.source = ANY ($3::text[])) AND ($4::text[] = '{}' OR m.tags @> $4::text[]) AND ($5::text[] = '{}' OR m.doc_id = ANY ($5::text[])) AND ($6::text[] = '{}' OR m.tags && $6::text[]) AND NOT m.tags && $7::text[] AND m.doc_id <> ALL ($8::text[]) AND ($9::bigint IS NULL OR m.created_at > to_timestamp($9::bigint / 1000.0)) AND ($10::bigint IS NULL OR m.created_at < to_timestamp($10::bigint / 1000.0)) AND ($11::uuid[] = '{}' OR m.id = ANY ($11::uuid[])) OFFSET 0) s WHERE $12::float4 IS NULL OR (s.distance, s.id) > ($12::float4, $13::uuid) ORDER BY distance, id LIMIT $2::bigint) n JOIN app.memory_chunks c ON c.ctid = n.place AND c.user_hash = (SELECT app.tenant()) ORDER BY n.distance, n.id;
PREPARE memseal_verify_neighbours AS
  SELECT * FROM (SELECT m.id, m.doc_id, m.source, m.chunk_index, m.char_start, m.char_end, m.tags, (extract(epoch FROM m.created_at) * 1000)::bigint, 0::float4, m.text_cipher, m.meta_cipher, h.id, true, m.created_at AS said, m.chunk_index AS place, m.id AS chunk FROM app.memory_chunks h CROSS JOIN LATERAL (SELECT o.* FROM app.memory_chunks o WHERE o.user_hash = (SELECT app.tenant()) AND o.doc_id = h.doc_id AND (o.source = 'chat') = (h.source = 'chat') AND (o.expires_at IS NULL OR o.expires_at > now()) AND (o.created_at, o.chunk_index, o.id) < (h.created_at, h.chunk_index, h.id) ORDER BY o.created_at DESC, o.chunk_index DESC, o.id DESC LIMIT $2::bigint) m WHERE h.user_hash = (SELECT app.tenant()) AND h.id = ANY ($1::uuid[]) UNION ALL SELECT m.id, m.doc_id, m.source, m.chunk_index, m.char_start, m.char_end, m.tags, (extract(epoch FROM m.created_at) * 1000)::bigint, 0::float4, m.text_cipher, m.meta_cipher, h.id, false, m.created_at AS said, m.chunk_index AS place, m.id AS chunk FROM app.memory_chunks h CROSS JOIN LATERAL (SELECT o.* FROM app.memory_chunks o WHERE o.user_hash = (SELECT app.tenant()) AND o.doc_id = h.doc_id AND (o.source = 'chat') = (h.source = 'chat') AND (o.expires_at IS NULL OR o.expires_at > now()) AND (o.created_at, o.chunk_index, o.id) > (h.created_at, h.chunk_index, h.id) ORDER BY o.created_at ASC, o.chunk_index ASC, o.id ASC LIMIT $2::bigint) m WHERE h.user_hash = (SELECT app.tenant()) AND h.id = ANY ($1::uuid[])) n ORDER BY n.said, n.place, n.chunk;
PREPARE memseal_verify_event_queue AS
  INSERT INTO app.ingest_events (user_hash, event_id, kind, doc_id, state, deleted) VALUES ($1, $2, $3, $4, 'queued', $5) ON CONFLICT DO NOTHING;
PREPARE memseal_verify_event_find AS
  SELECT kind, doc_id, state, coalesce(error_code, ''), chunks, (extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM updated_at) * 1000)::bigint, deleted FROM app.ingest_events WHERE user_hash = (SELECT app.tenant()) AND event_id = $1;
PREPARE memseal_verify_request_keep AS
  INSERT INTO app.idempotency_keys (user_hash, key, request_mac, status, expires_at) VALUES ($1, $2, $3, 202, now() + interval '30 days') ON CONFLICT DO NOTHING;
PREPARE memseal_verify_request_find AS
  SELECT encode(request_mac, 'hex') FROM app.idempotency_keys WHERE user_hash = (SELECT app.tenant()) AND key = $1;
PREPARE memseal_verify_keys_load AS
  SELECT key_id, kek_epoch, wrapped, kcv, state FROM app.tenant_keys WHERE user_hash = (SELECT app.tenant()) AND state <> 'retired';
PREPARE memseal_verify_keys_know AS
  SELECT 1 FROM app.tenants WHERE user_hash = (SELECT app.tenant());
PREPARE memseal_verify_keys_erased AS
  SELECT 1 FROM app.tenants WHERE user_hash = (SELECT app.tenant()) AND state = 'erased';
PREPARE memseal_verify_keys_seals AS
  SELECT seals FROM app.tenants WHERE user_hash = (SELECT app.tenant()) FOR NO KEY UPDATE;
PREPARE memseal_verify_keys_end AS
  UPDATE app.tenant_keys SET state = 'decrypt_only' WHERE user_hash = (SELECT app.tenant()) AND state = 'active';
PREPARE memseal_verify_keys_restart AS
  UPDATE app.tenants SET seals = 0 WHERE user_hash = (SELECT app.tenant());
PREPARE memseal_verify_keys_tell AS
  SELECT pg_notify('memseal.erasures', (SELECT app.tenant()));
PREPARE memseal_verify_keys_last AS
  SELECT coalesce(max(key_id), 0) FROM app.tenant_keys WHERE user_hash = (SELECT app.tenant());
PREPARE memseal_verify_keys_add AS
  INSERT INTO app.tenant_keys (user_hash, key_id, kek_epoch, wrapped, kcv) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;
PREPARE memseal_verify_keys_kek_check AS
  SELECT value FROM app.settings WHERE key = $1;
PREPARE memseal_verify_event_fail AS
  INSERT INTO app.ingest_events AS l (user_hash, event_id, kind, doc_id, state, error_code) VALUES ($1, $2, $3, $4, 'failed', $5) ON CONFLICT (user_hash, event_id) DO UPDATE SET state = 'failed', error_code = excluded.error_code, updated_at = now() WHERE l.state <> 'succeeded';
PREPARE memseal_verify_event_place AS
  UPDATE app.ingest_events SET source_topic = $3, source_partition = $4, source_offset = $5 WHERE user_hash = $1 AND event_id = $2 AND source_topic IS NULL;
PREPARE memseal_verify_tenant_lock AS
  SELECT 1 FROM app.tenants WHERE user_hash = (SELECT app.tenant()) FOR KEY SHARE;
PREPARE memseal_verify_tenant_make AS
  INSERT INTO app.tenants (user_hash) VALUES ($1) ON CONFLICT DO NOTHING;
PREPARE memseal_verify_events_look AS
  SELECT coalesce(t.state = 'erased', false), l.event_id IS NOT NULL, s.event_id IS NOT NULL OR coalesce(CASE WHEN u.from_ms IS NULL THEN (d.revision > u.revision AND d.kind <> 'chat' AND u.kind <> 'chat') OR (d.revision >= u.revision AND d.deleted_at IS NOT NULL AND (d.kind <> 'chat' OR u.kind = 'chat')) ELSE u.from_ms > 0 AND d.updated_at > to_timestamp(u.from_ms / 1000.0) END, false), coalesce(u.record_ms > 0 AND l.updated_at < to_timestamp(u.record_ms / 1000.0), false), d.deleted_at IS NULL AND coalesce(d.chunk_count, 0) > 0 FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::uuid[], $8::bigint[]) WITH ORDINALITY AS u(event_id, doc_id, revision, kind, from_ms, later, record_ms, place) LEFT JOIN app.tenants t ON t.user_hash = $1 LEFT JOIN app.ingest_events l ON l.user_hash = $1 AND l.event_id = u.event_id AND l.state = 'succeeded' LEFT JOIN app.ingest_events s ON s.user_hash = $1 AND s.event_id = u.later AND s.state = 'succeeded' AND s.error_code IS DISTINCT FROM 'superseded' LEFT JOIN app.documents d ON d.user_hash = $1 AND d.doc_id = u.doc_id COLLATE "C" ORDER BY u.place;
PREPARE memseal_verify_ledger_enter AS
  INSERT INTO app.ingest_events AS l (user_hash, event_id, kind, doc_id, state, chunks, source_topic, source_partition, source_offset) SELECT $1, u.event_id, u.kind, u.doc_id, 'succeeded', u.chunks, u.topic, u.part, u.at FROM unnest($2::uuid[], $3::text[], $4::text[], $5::int[], $6::text[], $7::int[], $8::bigint[]) AS u(event_id, kind, doc_id, chunks, topic, part, at) ORDER BY u.event_id ON CONFLICT (user_hash, event_id) DO UPDATE SET kind = excluded.kind, doc_id = excluded.doc_id, state = 'succeeded', error_code = NULL, chunks = excluded.chunks, updated_at = now(), source_topic = coalesce(l.source_topic, excluded.source_topic), source_partition = CASE WHEN l.source_topic IS NULL THEN excluded.source_partition ELSE l.source_partition END, source_offset = CASE WHEN l.source_topic IS NULL THEN excluded.source_offset ELSE l.source_offset END WHERE l.state IN ('queued', 'failed') RETURNING l.event_id, l.source_topic, l.source_partition, l.source_offset;
PREPARE memseal_verify_ledger_superseded AS
  UPDATE app.ingest_events SET chunks = 0, error_code = 'superseded' WHERE user_hash = (SELECT app.tenant()) AND event_id = ANY ($1::uuid[]);
PREPARE memseal_verify_documents_enter AS
  INSERT INTO app.documents AS d (user_hash, doc_id, revision, kind, name_cipher, chunk_count, written_by) SELECT $1, u.doc_id, u.revision, u.kind, u.name_cipher, u.chunks, u.written_by FROM unnest($2::text[], $3::bigint[], $4::text[], $5::bytea[], $6::int[], $10::uuid[]) AS u(doc_id, revision, kind, name_cipher, chunks, written_by) ORDER BY u.doc_id COLLATE "C" ON CONFLICT (user_hash, doc_id) DO UPDATE SET kind = excluded.kind, state = 'ready', revision = CASE WHEN d.kind = 'chat' AND excluded.kind = 'chat' THEN greatest(d.revision, excluded.revision) WHEN excluded.kind <> 'chat' AND (d.doc_id = ANY ($7::text[]) OR d.doc_id = ANY ($8::text[])) THEN d.revision + 1 ELSE excluded.revision END, name_cipher = coalesce(excluded.name_cipher, d.name_cipher), chunk_count = CASE WHEN excluded.kind = 'chat' AND d.deleted_at IS NULL THEN d.chunk_count + excluded.chunk_count ELSE excluded.chunk_count END, written_by = coalesce(excluded.written_by, d.written_by), updated_at = now(), deleted_at = NULL WHERE d.doc_id = ANY ($7::text[]) OR EXISTS (SELECT FROM unnest($8::text[], $9::bigint[]) AS r(doc_id, from_ms) WHERE r.doc_id = d.doc_id AND d.updated_at <= to_timestamp(r.from_ms / 1000.0)) OR (d.doc_id <> ALL ($8::text[]) AND (d.revision < excluded.revision OR (d.kind = 'chat' AND excluded.kind <> 'chat'))) OR (d.doc_id <> ALL ($8::text[]) AND d.deleted_at IS NULL AND (d.revision = excluded.revision OR d.kind = 'chat' OR excluded.kind = 'chat')) RETURNING d.doc_id, (d.xmax <> 0) AS existed;
PREPARE memseal_verify_chunks_replace AS
  DELETE FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant()) AND doc_id = ANY ($1::text[]) AND source <> 'chat';
PREPARE memseal_verify_tenant_count AS
  UPDATE app.tenants SET chunk_count = chunk_count + $1::bigint, seals = seals + $2::bigint, version = version + 1 WHERE user_hash = (SELECT app.tenant());
PREPARE memseal_verify_chunks_insert_new AS
  INSERT INTO app.memory_chunks (id, user_hash, doc_id, source, text_cipher, meta_cipher, embedding, chunk_index, char_start, char_end, expires_at, tags, model, created_at, embed_mac) SELECT t.id, $1, t.doc_id, t.source, t.text_cipher, t.meta_cipher, t.embedding, t.chunk_index, t.char_start, t.char_end, 'epoch'::timestamptz + t.expires_ms * interval '1 millisecond', coalesce(t.tags::text[], '{}'), t.model, coalesce('epoch'::timestamptz + t.created_ms * interval '1 millisecond', now()), t.embed_mac FROM (SELECT unnest($2::uuid[]) AS id, unnest($3::text[]) AS doc_id, unnest($4::text[]) AS source, unnest($5::bytea[]) AS text_cipher, unnest($6::bytea[]) AS meta_cipher, unnest($7::public.halfvec[]) AS embedding, unnest($8::int[]) AS chunk_index, unnest($9::int[]) AS char_start, unnest($10::int[]) AS char_end, unnest($11::bigint[]) AS expires_ms, unnest($12::text[]) AS tags, unnest($13::text[]) AS model, unnest($14::bigint[]) AS created_ms, unnest($15::uuid[]) AS embed_mac) AS t;
PREPARE memseal_verify_chunks_insert_if_absent AS
  INSERT INTO app.memory_chunks (id, user_hash, doc_id, source, text_cipher, meta_cipher, embedding, chunk_index, char_start, char_end, expires_at, tags, model, created_at, embed_mac) SELECT t.id, $1, t.doc_id, t.source, t.text_cipher, t.meta_cipher, t.embedding, t.chunk_index, t.char_start, t.char_end, 'epoch'::timestamptz + t.expires_ms * interval '1 millisecond', coalesce(t.tags::text[], '{}'), t.model, coalesce('epoch'::timestamptz + t.created_ms * interval '1 millisecond', now()), t.embed_mac FROM (SELECT unnest($2::uuid[]) AS id, unnest($3::text[]) AS doc_id, unnest($4::text[]) AS source, unnest($5::bytea[]) AS text_cipher, unnest($6::bytea[]) AS meta_cipher, unnest($7::public.halfvec[]) AS embedding, unnest($8::int[]) AS chunk_index, unnest($9::int[]) AS char_start, unnest($10::int[]) AS char_end, unnest($11::bigint[]) AS expires_ms, unnest($12::text[]) AS tags, unnest($13::text[]) AS model, unnest($14::bigint[]) AS created_ms, unnest($15::uuid[]) AS embed_mac) AS t ON CONFLICT (user_hash, id) DO NOTHING;
PREPARE memseal_verify_replays_judge AS
  SELECT p.place, w.source_offset > p.at AND (p.revision IS NULL OR p.revision = d.revision OR d.deleted_at IS NOT NULL) FROM unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[]) WITH ORDINALITY AS p(doc_id, topic, part, at, revision, from_ms, place) JOIN app.documents d ON d.user_hash = $1 AND d.doc_id = p.doc_id COLLATE "C" JOIN app.ingest_events w ON w.user_hash = $1 AND w.event_id = d.written_by WHERE d.updated_at = w.updated_at AND w.source_topic = p.topic COLLATE "C" AND w.source_partition = p.part AND w.updated_at >= to_timestamp(p.from_ms / 1000.0) - interval '1 day' ORDER BY d.doc_id;
PREPARE memseal_verify_replays_lock AS
  SELECT FROM app.documents WHERE user_hash = (SELECT app.tenant()) AND doc_id = ANY ($1::text[]) ORDER BY doc_id FOR UPDATE;
PREPARE memseal_verify_chunks_known AS
  SELECT m.id FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.id = ANY ($1::uuid[]);
PREPARE memseal_verify_turns_latest AS
  SELECT c.id, c.doc_id, c.source, c.chunk_index, c.char_start, c.char_end, c.tags, (extract(epoch FROM c.created_at) * 1000)::bigint, 0::float4, c.text_cipher, c.meta_cipher, u.place FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS u(doc_id, until_ms, place) CROSS JOIN LATERAL (SELECT m.* FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = u.doc_id COLLATE "C" AND m.source = 'chat' AND (m.expires_at IS NULL OR m.expires_at > now()) AND m.created_at <= coalesce(to_timestamp(u.until_ms / 1000.0), 'infinity') ORDER BY m.created_at DESC, m.chunk_index DESC, m.id DESC LIMIT $3::bigint) c ORDER BY u.place, c.created_at, c.chunk_index, c.id;
PREPARE memseal_verify_documents_list AS
  SELECT d.doc_id, c.source, coalesce(d.name_cipher, ''::bytea), c.chunks, (extract(epoch FROM d.created_at) * 1000)::bigint, (extract(epoch FROM d.updated_at) * 1000)::bigint, (extract(epoch FROM c.first_at) * 1000)::bigint, (extract(epoch FROM c.last_at) * 1000)::bigint, (extract(epoch FROM c.expires_at) * 1000)::bigint, c.tags FROM app.documents d CROSS JOIN LATERAL (SELECT count(*) AS chunks, min(m.source) AS source, min(m.created_at) AS first_at, max(m.created_at) AS last_at, min(m.expires_at) AS expires_at, min(m.tags) AS tags FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = d.doc_id AND m.source <> 'chat' AND (m.expires_at IS NULL OR m.expires_at > now())) c WHERE d.user_hash = (SELECT app.tenant()) AND d.deleted_at IS NULL AND c.chunks > 0 AND (d.kind <> 'chat' OR d.written_by IS NOT NULL) AND d.doc_id > $1::text COLLATE "C" ORDER BY d.doc_id LIMIT $2::bigint;
PREPARE memseal_verify_conversations_list AS
  SELECT d.doc_id, c.source, coalesce(d.name_cipher, ''::bytea), c.chunks, (extract(epoch FROM d.created_at) * 1000)::bigint, (extract(epoch FROM d.updated_at) * 1000)::bigint, (extract(epoch FROM c.first_at) * 1000)::bigint, (extract(epoch FROM c.last_at) * 1000)::bigint, (extract(epoch FROM c.expires_at) * 1000)::bigint, c.tags FROM app.documents d CROSS JOIN LATERAL (SELECT count(*) AS chunks, min(m.source) AS source, min(m.created_at) AS first_at, max(m.created_at) AS last_at, min(m.expires_at) AS expires_at, min(m.tags) AS tags FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = d.doc_id AND m.source = 'chat' AND (m.expires_at IS NULL OR m.expires_at > now())) c WHERE d.user_hash = (SELECT app.tenant()) AND d.deleted_at IS NULL AND c.chunks > 0 AND d.kind = 'chat' AND d.doc_id > $1::text COLLATE "C" ORDER BY d.doc_id LIMIT $2::bigint;
PREPARE memseal_verify_document_find AS
  SELECT d.doc_id, c.source, coalesce(d.name_cipher, ''::bytea), c.chunks, (extract(epoch FROM d.created_at) * 1000)::bigint, (extract(epoch FROM d.updated_at) * 1000)::bigint, (extract(epoch FROM c.first_at) * 1000)::bigint, (extract(epoch FROM c.last_at) * 1000)::bigint, (extract(epoch FROM c.expires_at) * 1000)::bigint, c.tags FROM app.documents d CROSS JOIN LATERAL (SELECT count(*) AS chunks, min(m.source) AS source, min(m.created_at) AS first_at, max(m.created_at) AS last_at, min(m.expires_at) AS expires_at, min(m.tags) AS tags FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = d.doc_id AND m.source <> 'chat' AND (m.expires_at IS NULL OR m.expires_at > now())) c WHERE d.user_hash = (SELECT app.tenant()) AND d.deleted_at IS NULL AND c.chunks > 0 AND d.doc_id = $1::text COLLATE "C";
PREPARE memseal_verify_conversation_find AS
  SELECT d.doc_id, c.source, coalesce(d.name_cipher, ''::bytea), c.chunks, (extract(epoch FROM d.created_at) * 1000)::bigint, (extract(epoch FROM d.updated_at) * 1000)::bigint, (extract(epoch FROM c.first_at) * 1000)::bigint, (extract(epoch FROM c.last_at) * 1000)::bigint, (extract(epoch FROM c.expires_at) * 1000)::bigint, c.tags FROM app.documents d CROSS JOIN LATERAL (SELECT count(*) AS chunks, min(m.source) AS source, min(m.created_at) AS first_at, max(m.created_at) AS last_at, min(m.expires_at) AS expires_at, min(m.tags) AS tags FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = d.doc_id AND m.source = 'chat' AND (m.expires_at IS NULL OR m.expires_at > now())) c WHERE d.user_hash = (SELECT app.tenant()) AND d.deleted_at IS NULL AND c.chunks > 0 AND d.doc_id = $1::text COLLATE "C";
PREPARE memseal_verify_chunks_oldest_first AS
  SELECT m.id, m.doc_id, m.source, m.chunk_index, m.char_start, m.char_end, m.tags, (extract(epoch FROM m.created_at) * 1000)::bigint, 0::float4, m.text_cipher, m.meta_cipher, (extract(epoch FROM m.created_at) * 1000000)::bigint FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE "C" AND (m.source = 'chat') = $2::boolean AND (m.expires_at IS NULL OR m.expires_at > now()) AND (m.created_at, m.chunk_index, m.id) > (coalesce('epoch'::timestamptz + ($3::bigint / 1000000) * interval '1 second' + ($3::bigint % 1000000) * interval '1 microsecond', '-infinity'), $4::int, $5::uuid) ORDER BY m.created_at ASC, m.chunk_index ASC, m.id ASC LIMIT $6::bigint;
PREPARE memseal_verify_chunks_newest_first AS
  SELECT m.id, m.doc_id, m.source, m.chunk_index, m.char_start, m.char_end, m.tags, (extract(epoch FROM m.created_at) * 1000)::bigint, 0::float4, m.text_cipher, m.meta_cipher, (extract(epoch FROM m.created_at) * 1000000)::bigint FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE "C" AND (m.source = 'chat') = $2::boolean AND (m.expires_at IS NULL OR m.expires_at > now()) AND (m.created_at, m.chunk_index, m.id) < (coalesce('epoch'::timestamptz + ($3::bigint / 1000000) * interval '1 second' + ($3::bigint % 1000000) * interval '1 microsecond', 'infinity'), $4::int, $5::uuid) ORDER BY m.created_at DESC, m.chunk_index DESC, m.id DESC LIMIT $6::bigint;
PREPARE memseal_verify_memory_known AS
  SELECT EXISTS (SELECT FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE "C" AND (m.source = 'chat') = $2::boolean) OR EXISTS (SELECT FROM app.ingest_events e WHERE e.user_hash = (SELECT app.tenant()) AND e.doc_id = $1::text COLLATE "C" AND (e.kind = 'chat') = $2::boolean AND e.state = 'queued' AND e.deleted IS NULL);
PREPARE memseal_verify_document_bury AS
  INSERT INTO app.documents AS d (user_hash, doc_id, revision, kind, state, written_by, deleted_at) VALUES ($1, $2, -1, $3, 'deleted', $4::uuid, now()) ON CONFLICT (user_hash, doc_id) DO UPDATE SET (kind, state, chunk_count, deleted_at) = (SELECT CASE WHEN count(*) > 0 THEN 'chat' WHEN d.kind = 'chat' THEN excluded.kind ELSE d.kind END, CASE WHEN count(*) > 0 THEN 'ready' ELSE 'deleted' END, count(*)::int, CASE WHEN count(*) = 0 THEN now() END FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = d.doc_id AND m.source = 'chat'), name_cipher = NULL, meta_cipher = NULL, written_by = excluded.written_by, updated_at = now() WHERE $5::bigint = 0 OR d.updated_at <= to_timestamp($5::bigint / 1000.0) RETURNING d.doc_id;
PREPARE memseal_verify_conversation_lock AS
  SELECT FROM app.documents WHERE user_hash = (SELECT app.tenant()) AND doc_id = $1::text COLLATE "C" FOR UPDATE;
PREPARE memseal_verify_chunks_delete AS
  DELETE FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant()) AND doc_id = $1::text COLLATE "C" AND (source = 'chat') = $2::boolean AND ($3::bigint IS NULL OR created_at < to_timestamp($3::bigint / 1000.0));
PREPARE memseal_verify_conversation_settle AS
  UPDATE app.documents d SET (kind, state, chunk_count, deleted_at, revision) = (SELECT CASE WHEN coalesce(bool_or(m.source = d.kind), true) THEN d.kind ELSE min(m.source) END, CASE WHEN count(*) > 0 THEN 'ready' ELSE 'deleted' END, count(*)::int, CASE WHEN count(*) = 0 THEN now() END, CASE WHEN count(*) = 0 THEN greatest(d.revision, $2::bigint) ELSE d.revision END FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = d.doc_id), updated_at = now() WHERE d.user_hash = (SELECT app.tenant()) AND d.doc_id = $1::text COLLATE "C" AND d.deleted_at IS NULL;
PREPARE memseal_verify_ledger_deleted AS
  UPDATE app.ingest_events SET deleted = $2 WHERE user_hash = (SELECT app.tenant()) AND event_id = $1::uuid;
PREPARE memseal_verify_matrix_state AS
  SELECT t.version, t.xmin::text::bigint, t.chunk_count, t.state = 'erased', (extract(epoch FROM now() - '2000-01-01 00:00:00+00'::timestamptz) * 1000000)::bigint FROM app.tenants t WHERE t.user_hash = (SELECT app.tenant());
PREPARE memseal_verify_matrix_documents AS
  SELECT d.doc_id, d.xmin::text::bigint, d.chunk_count FROM app.documents d WHERE d.user_hash = (SELECT app.tenant()) AND d.deleted_at IS NULL;
PREPARE memseal_verify_matrix_rows AS
  SELECT m.doc_id, m.source, m.tags, uuid_send(m.id), timestamptz_send(m.created_at), timestamptz_send(m.expires_at), public.halfvec_send(m.embedding) FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = ANY ($1::text[]) AND m.id >= $2::uuid AND m.id <= $3::uuid;
PREPARE memseal_verify_matrix_fetch AS
  SELECT c.id, c.doc_id, c.source, c.chunk_index, c.char_start, c.char_end, c.tags, (extract(epoch FROM c.created_at) * 1000)::bigint, n.distance, CASE WHEN $6::boolean THEN ''::bytea ELSE c.text_cipher END, c.meta_cipher FROM (SELECT s.place, s.id, s.distance FROM (SELECT m.ctid AS place, m.id, ((m.embedding OPERATOR(public.<=>) $1::public.halfvec) + 0)::float4 AS distance FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.embedding IS NOT NULL AND (m.expires_at IS NULL OR m.expires_at > now()) AND m.id = ANY ($3::uuid[]) OFFSET 0) s WHERE $4::float4 IS NULL OR (s.distance, s.id) > ($4::float4, $5::uuid) ORDER BY distance, id LIMIT $2::bigint) n JOIN app.memory_chunks c ON c.ctid = n.place AND c.user_hash = (SELECT app.tenant()) ORDER BY n.distance, n.id;
PREPARE memseal_verify_terms_of_all AS
  SELECT b.doc_id, uuid_send(b.first_chunk), b.cipher FROM app.term_blocks b WHERE b.user_hash = (SELECT app.tenant());
PREPARE memseal_verify_terms_of_documents AS
  SELECT b.doc_id, uuid_send(b.first_chunk), b.cipher FROM app.term_blocks b WHERE b.user_hash = (SELECT app.tenant()) AND b.doc_id = ANY ($1::text[]);
PREPARE memseal_verify_file_lock AS
  SELECT file_bytes, file_count FROM app.tenants WHERE user_hash = (SELECT app.tenant()) FOR NO KEY UPDATE;
PREPARE memseal_verify_file_count AS
  UPDATE app.tenants SET file_bytes = file_bytes + $1, file_count = file_count + $2, seals = seals + $3 WHERE user_hash = (SELECT app.tenant());
PREPARE memseal_verify_file_room AS
  SELECT file_bytes, file_count, (SELECT max(bytes) FROM app.files WHERE user_hash = (SELECT app.tenant()) AND name_mac = $1) FROM app.tenants WHERE user_hash = (SELECT app.tenant());
PREPARE memseal_verify_file_twin AS
  SELECT id, object_id, name_mac, facts_cipher, bytes, content_mac, (extract(epoch FROM created_at) * 1000000)::bigint FROM app.files WHERE user_hash = (SELECT app.tenant()) AND name_mac = $1 AND content_mac = $2;
PREPARE memseal_verify_file_add AS
  INSERT INTO app.files (user_hash, id, object_id, name_mac, tag_macs, facts_cipher, bytes, content_mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING (extract(epoch FROM created_at) * 1000000)::bigint;
PREPARE memseal_verify_file_replace AS
  UPDATE app.files SET object_id = $3 WHERE user_hash = (SELECT app.tenant()) AND id = $1 AND object_id = $2;
PREPARE memseal_verify_file_find AS
  SELECT id, object_id, name_mac, facts_cipher, bytes, content_mac, (extract(epoch FROM created_at) * 1000000)::bigint FROM app.files WHERE user_hash = (SELECT app.tenant()) AND id = $1;
PREPARE memseal_verify_file_object AS
  SELECT 1 FROM app.files WHERE user_hash = (SELECT app.tenant()) AND object_id = $1;
PREPARE memseal_verify_file_list AS
  SELECT id, object_id, name_mac, facts_cipher, bytes, content_mac, (extract(epoch FROM created_at) * 1000000)::bigint FROM app.files WHERE user_hash = (SELECT app.tenant()) AND (created_at, id) < ('epoch'::timestamptz + $1::bigint * interval '1 microsecond', $2::uuid) AND created_at >= 'epoch'::timestamptz + $3::bigint * interval '1 microsecond' AND created_at < 'epoch'::timestamptz + $4::bigint * interval '1 microsecond' AND tag_macs @> $5::uuid[] ORDER BY created_at DESC, id DESC LIMIT $6;
PREPARE memseal_verify_file_remove AS
  DELETE FROM app.files WHERE user_hash = (SELECT app.tenant()) AND id = $1 RETURNING id, object_id, name_mac, facts_cipher, bytes, content_mac, (extract(epoch FROM created_at) * 1000000)::bigint;
PREPARE memseal_verify_file_store_claim AS
  INSERT INTO app.file_stores (user_hash, name, store) VALUES ($1, 'files', $2) ON CONFLICT DO NOTHING;
PREPARE memseal_verify_file_store_read AS
  SELECT store, used FROM app.file_stores WHERE user_hash = (SELECT app.tenant()) AND name = 'files';
PREPARE memseal_verify_file_store_used AS
  UPDATE app.file_stores SET used = true WHERE user_hash = (SELECT app.tenant()) AND name = 'files';
PREPARE memseal_verify_person_look AS
  SELECT t.user_hash IS NOT NULL, (extract(epoch FROM t.erased_at) * 1000)::bigint, c.documents, c.conversations, c.chunks, c.text_bytes, f.files, f.bytes FROM (SELECT count(DISTINCT m.doc_id) FILTER (WHERE m.source <> 'chat') AS documents, count(DISTINCT m.doc_id) FILTER (WHERE m.source = 'chat') AS conversations, count(*) AS chunks, coalesce(sum(octet_length(m.text_cipher) - 33), 0)::bigint AS text_bytes FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND (m.expires_at IS NULL OR m.expires_at > now())) c CROSS JOIN (SELECT count(*) AS files, coalesce(sum(x.bytes), 0)::bigint AS bytes FROM app.files x WHERE x.user_hash = (SELECT app.tenant())) f LEFT JOIN app.tenants t ON t.user_hash = (SELECT app.tenant());
PREPARE memseal_verify_person_erasers AS
  SELECT pg_advisory_xact_lock(hashtextextended('memseal.erasure:' || (SELECT app.tenant()), 0));
PREPARE memseal_verify_person_make AS
  INSERT INTO app.tenants (user_hash) VALUES ($1) ON CONFLICT DO NOTHING;
PREPARE memseal_verify_person_lock AS
  SELECT state FROM app.tenants WHERE user_hash = (SELECT app.tenant()) FOR UPDATE;
PREPARE memseal_verify_person_bury AS
  UPDATE app.tenants SET state = 'erased', chunk_count = 0, file_count = 0, file_bytes = 0, erased_at = now(), version = version + 1, erased_counts = (SELECT jsonb_build_object('documents', count(DISTINCT m.doc_id) FILTER (WHERE m.source <> 'chat'), 'conversations', count(DISTINCT m.doc_id) FILTER (WHERE m.source = 'chat'), 'chunks', count(*), 'operations', (SELECT count(*) FROM app.ingest_events e WHERE e.user_hash = (SELECT app.tenant())), 'keys', (SELECT count(*) FROM app.tenant_keys k WHERE k.user_hash = (SELECT app.tenant())), 'files', (SELECT count(*) FROM app.files f WHERE f.user_hash = (SELECT app.tenant())), 'file_bytes', (SELECT coalesce(sum(f.bytes), 0) FROM app.files f WHERE f.user_hash = (SELECT app.tenant()))) FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant())) WHERE user_hash = (SELECT app.tenant());
PREPARE memseal_verify_person_tombstone AS
  SELECT (extract(epoch FROM erased_at) * 1000)::bigint, coalesce((erased_counts->>'documents')::bigint, 0), coalesce((erased_counts->>'conversations')::bigint, 0), coalesce((erased_counts->>'chunks')::bigint, 0), coalesce((erased_counts->>'operations')::bigint, 0), coalesce((erased_counts->>'keys')::bigint, 0), coalesce((erased_counts->>'files')::bigint, 0), coalesce((erased_counts->>'file_bytes')::bigint, 0) FROM app.tenants WHERE user_hash = (SELECT app.tenant()) AND state = 'erased';
PREPARE memseal_verify_person_keys AS
  DELETE FROM app.tenant_keys WHERE user_hash = (SELECT app.tenant());
PREPARE memseal_verify_person_tell AS
  SELECT pg_notify('memseal.erasures', (SELECT app.tenant()));
PREPARE memseal_verify_person_note AS
  INSERT INTO app.erasures (person) VALUES ((SELECT app.tenant())) ON CONFLICT (person) DO UPDATE SET taken_at = now();
PREPARE memseal_verify_person_left AS
  SELECT EXISTS (SELECT 1 FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant())) OR EXISTS (SELECT 1 FROM app.documents WHERE user_hash = (SELECT app.tenant())) OR EXISTS (SELECT 1 FROM app.ingest_events WHERE user_hash = (SELECT app.tenant())) OR EXISTS (SELECT 1 FROM app.idempotency_keys WHERE user_hash = (SELECT app.tenant())) OR EXISTS (SELECT 1 FROM app.files WHERE user_hash = (SELECT app.tenant()));
PREPARE memseal_verify_person_chunks AS
  DELETE FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant()) AND id = ANY (ARRAY(SELECT id FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant()) LIMIT $1::bigint));
PREPARE memseal_verify_person_documents AS
  DELETE FROM app.documents WHERE user_hash = (SELECT app.tenant()) AND doc_id = ANY (ARRAY(SELECT doc_id FROM app.documents WHERE user_hash = (SELECT app.tenant()) LIMIT $1::bigint));
PREPARE memseal_verify_person_events AS
  DELETE FROM app.ingest_events WHERE user_hash = (SELECT app.tenant()) AND event_id = ANY (ARRAY(SELECT event_id FROM app.ingest_events WHERE user_hash = (SELECT app.tenant()) LIMIT $1::bigint));
PREPARE memseal_verify_person_replies AS
  DELETE FROM app.idempotency_keys WHERE user_hash = (SELECT app.tenant()) AND key = ANY (ARRAY(SELECT key FROM app.idempotency_keys WHERE user_hash = (SELECT app.tenant()) LIMIT $1::bigint));
PREPARE memseal_verify_person_files AS
  DELETE FROM app.files WHERE user_hash = (SELECT app.tenant()) AND id = ANY (ARRAY(SELECT id FROM app.files WHERE user_hash = (SELECT app.tenant()) LIMIT $1::bigint));
PREPARE memseal_verify_terms_insert AS
  INSERT INTO app.term_blocks (user_hash, first_chunk, doc_id, cipher) SELECT $1, t.first_chunk, t.doc_id, t.cipher FROM (SELECT unnest($2::uuid[]) AS first_chunk, unnest($3::text[]) AS doc_id, unnest($4::bytea[]) AS cipher) AS t ON CONFLICT (user_hash, first_chunk) DO NOTHING;
PREPARE memseal_verify_vectors_stored AS
  SELECT c.embed_mac, public.halfvec_send(c.embedding) FROM app.memory_chunks c WHERE c.user_hash = (SELECT app.tenant()) AND c.doc_id = ANY ($1::text[]) AND c.source <> 'chat' AND (c.embed_mac IN (SELECT unnest($2::uuid[]))) IS TRUE;
PREPARE memseal_verify_keys_rewrap AS
  UPDATE app.tenant_keys SET kek_epoch = $1, wrapped = $2 WHERE user_hash = (SELECT app.tenant()) AND key_id = $3 AND kek_epoch = $4;
PREPARE memseal_verify_reseal_texts AS
  SELECT id, doc_id, chunk_index, text_cipher, coalesce(meta_cipher, ''::bytea) FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant()) AND id > $1::uuid AND substring(text_cipher FROM 2 FOR 4) <> $2::bytea ORDER BY id LIMIT $3::bigint;
PREPARE memseal_verify_reseal_names AS
  SELECT doc_id, name_cipher FROM app.documents WHERE user_hash = (SELECT app.tenant()) AND doc_id > $1::text COLLATE "C" AND name_cipher IS NOT NULL AND substring(name_cipher FROM 2 FOR 4) <> $2::bytea ORDER BY doc_id LIMIT $3::bigint;
PREPARE memseal_verify_reseal_put_texts AS
  UPDATE app.memory_chunks m SET text_cipher = t.text, meta_cipher = t.meta FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::bytea[]) AS before, unnest($3::bytea[]) AS text, unnest($4::bytea[]) AS meta) AS t WHERE m.user_hash = (SELECT app.tenant()) AND m.id BETWEEN $5::uuid AND $6::uuid AND m.id = t.id AND m.text_cipher = t.before;
PREPARE memseal_verify_reseal_put_names AS
  UPDATE app.documents d SET name_cipher = t.name FROM (SELECT unnest($1::text[]) AS doc_id, unnest($2::bytea[]) AS before, unnest($3::bytea[]) AS name) AS t WHERE d.user_hash = (SELECT app.tenant()) AND d.doc_id = t.doc_id COLLATE "C" AND d.name_cipher = t.before;
PREPARE memseal_verify_reseal_count AS
  UPDATE app.tenants SET seals = seals + $1 WHERE user_hash = (SELECT app.tenant());
PREPARE memseal_verify_rewrite_document AS
  SELECT m.doc_id FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id > $1::text COLLATE "C" ORDER BY m.doc_id LIMIT 1;
PREPARE memseal_verify_rewrite_find AS
  SELECT m.id, m.created_at, m.chunk_index, m.filler IS NULL FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE "C" AND (m.created_at, m.chunk_index, m.id) > ($2::timestamptz, $3::int, $4::uuid) ORDER BY m.created_at, m.chunk_index, m.id LIMIT $5::bigint;
PREPARE memseal_verify_rewrite_fill AS
  WITH unlocked AS MATERIALIZED (SELECT c.id FROM app.memory_chunks c WHERE c.user_hash = (SELECT app.tenant()) AND c.doc_id = $1::text COLLATE "C" AND (c.created_at, c.chunk_index, c.id) > ($2::timestamptz, $3::int, $4::uuid) AND (c.created_at, c.chunk_index, c.id) <= ($5::timestamptz, $6::int, $7::uuid) AND c.filler IS NULL FOR NO KEY UPDATE OF c SKIP LOCKED) UPDATE app.memory_chunks m SET filler = DEFAULT WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE "C" AND (m.created_at, m.chunk_index, m.id) > ($2::timestamptz, $3::int, $4::uuid) AND (m.created_at, m.chunk_index, m.id) <= ($5::timestamptz, $6::int, $7::uuid) AND m.id = ANY (ARRAY(SELECT u.id FROM unlocked u));
PREPARE memseal_verify_rewrite_left AS
  SELECT count(*) FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE "C" AND (m.created_at, m.chunk_index, m.id) > ($2::timestamptz, $3::int, $4::uuid) AND (m.created_at, m.chunk_index, m.id) <= ($5::timestamptz, $6::int, $7::uuid) AND m.filler IS NULL;
DO $check$
DECLARE
  call text;
  plan json;
BEGIN
  FOREACH call IN ARRAY ARRAY[
    'memseal_verify_nearest(NULL, NULL)',
    'memseal_verify_nearest_filtered(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_nearest_labels(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_neighbours(NULL, NULL)',
    'memseal_verify_event_queue(NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_event_find(NULL)',
    'memseal_verify_request_keep(NULL, NULL, NULL)',
    'memseal_verify_request_find(NULL)',
    'memseal_verify_keys_load',
    'memseal_verify_keys_know',
    'memseal_verify_keys_erased',
    'memseal_verify_keys_seals',
    'memseal_verify_keys_end',
    'memseal_verify_keys_restart',
    'memseal_verify_keys_tell',
    'memseal_verify_keys_last',
    'memseal_verify_keys_add(NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_keys_kek_check(NULL)',
    'memseal_verify_event_fail(NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_event_place(NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_tenant_lock',
    'memseal_verify_tenant_make(NULL)',
    'memseal_verify_events_look(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_ledger_enter(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_ledger_superseded(NULL)',
    'memseal_verify_documents_enter(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_chunks_replace(NULL)',
    'memseal_verify_tenant_count(NULL, NULL)',
    'memseal_verify_chunks_insert_new(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_chunks_insert_if_absent(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_replays_judge(NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_replays_lock(NULL)',
    'memseal_verify_chunks_known(NULL)',
    'memseal_verify_turns_latest(NULL, NULL, NULL)',
    'memseal_verify_documents_list(NULL, NULL)',
    'memseal_verify_conversations_list(NULL, NULL)',
    'memseal_verify_document_find(NULL)',
    'memseal_verify_conversation_find(NULL)',
    'memseal_verify_chunks_oldest_first(NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_chunks_newest_first(NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_memory_known(NULL, NULL)',
    'memseal_verify_document_bury(NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_conversation_lock(NULL)',
    'memseal_verify_chunks_delete(NULL, NULL, NULL)',
    'memseal_verify_conversation_settle(NULL, NULL)',
    'memseal_verify_ledger_deleted(NULL, NULL)',
    'memseal_verify_matrix_state',
    'memseal_verify_matrix_documents',
    'memseal_verify_matrix_rows(NULL, NULL, NULL)',
    'memseal_verify_matrix_fetch(NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_terms_of_all',
    'memseal_verify_terms_of_documents(NULL)',
    'memseal_verify_file_lock',
    'memseal_verify_file_count(NULL, NULL, NULL)',
    'memseal_verify_file_room(NULL)',
    'memseal_verify_file_twin(NULL, NULL)',
    'memseal_verify_file_add(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_file_replace(NULL, NULL, NULL)',
    'memseal_verify_file_find(NULL)',
    'memseal_verify_file_object(NULL)',
    'memseal_verify_file_list(NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_file_remove(NULL)',
    'memseal_verify_file_store_claim(NULL, NULL)',
    'memseal_verify_file_store_read',
    'memseal_verify_file_store_used',
    'memseal_verify_person_look',
    'memseal_verify_person_erasers',
    'memseal_verify_person_make(NULL)',
    'memseal_verify_person_lock',
    'memseal_verify_person_bury',
    'memseal_verify_person_tombstone',
    'memseal_verify_person_keys',
    'memseal_verify_person_tell',
    'memseal_verify_person_note',
    'memseal_verify_person_left',
    'memseal_verify_person_chunks(NULL)',
    'memseal_verify_person_documents(NULL)',
    'memseal_verify_person_events(NULL)',
    'memseal_verify_person_replies(NULL)',
    'memseal_verify_person_files(NULL)',
    'memseal_verify_terms_insert(NULL, NULL, NULL, NULL)',
    'memseal_verify_vectors_stored(NULL, NULL)',
    'memseal_verify_keys_rewrap(NULL, NULL, NULL, NULL)',
    'memseal_verify_reseal_texts(NULL, NULL, NULL)',
    'memseal_verify_reseal_names(NULL, NULL, NULL)',
    'memseal_verify_reseal_put_texts(NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_reseal_put_names(NULL, NULL, NULL)',
    'memseal_verify_reseal_count(NULL)',
    'memseal_verify_rewrite_document(NULL)',
    'memseal_verify_rewrite_find(NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_rewrite_fill(NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
    'memseal_verify_rewrite_left(NULL, NULL, NULL, NULL, NULL, NULL, NULL)'] LOOP
    EXECUTE 'EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE ' || call INTO plan;
    RAISE NOTICE '%: %', call, plan;
    -- app.settings has rows of no tenant.
    IF pg_catalog.jsonb_path_exists(
            plan::jsonb,
            '$.** ? (@."Node Type" == "Seq Scan" && !(@."Relation Name" == "settings"))')
       OR pg_catalog.jsonb_path_exists(
            plan::jsonb,
            '$.** ? (@."Node Type" like_regex "^(Bitmap )?Index" &&
                     !(@."Relation Name" == "settings") &&
                     !exists(@."Index Cond" ? (@ like_regex "user_hash\\)?(::text)? = ")))')
    THEN
      RAISE EXCEPTION '% reads a table without the tenant', call;
    END IF;
  END LOOP;
END $check$;
DEALLOCATE memseal_verify_nearest;
DEALLOCATE memseal_verify_nearest_filtered;
DEALLOCATE memseal_verify_nearest_labels;
DEALLOCATE memseal_verify_neighbours;
DEALLOCATE memseal_verify_event_queue;
DEALLOCATE memseal_verify_event_find;
DEALLOCATE memseal_verify_request_keep;
DEALLOCATE memseal_verify_request_find;
DEALLOCATE memseal_verify_keys_load;
DEALLOCATE memseal_verify_keys_know;
DEALLOCATE memseal_verify_keys_erased;
DEALLOCATE memseal_verify_keys_seals;
DEALLOCATE memseal_verify_keys_end;
DEALLOCATE memseal_verify_keys_restart;
DEALLOCATE memseal_verify_keys_tell;
DEALLOCATE memseal_verify_keys_last;
DEALLOCATE memseal_verify_keys_add;
DEALLOCATE memseal_verify_keys_kek_check;
DEALLOCATE memseal_verify_event_fail;
DEALLOCATE memseal_verify_event_place;
DEALLOCATE memseal_verify_tenant_lock;
DEALLOCATE memseal_verify_tenant_make;
DEALLOCATE memseal_verify_events_look;
DEALLOCATE memseal_verify_ledger_enter;
DEALLOCATE memseal_verify_ledger_superseded;
DEALLOCATE memseal_verify_documents_enter;
DEALLOCATE memseal_verify_chunks_replace;
DEALLOCATE memseal_verify_tenant_count;
DEALLOCATE memseal_verify_chunks_insert_new;
DEALLOCATE memseal_verify_chunks_insert_if_absent;
DEALLOCATE memseal_verify_replays_judge;
DEALLOCATE memseal_verify_replays_lock;
DEALLOCATE memseal_verify_chunks_known;
DEALLOCATE memseal_verify_turns_latest;
DEALLOCATE memseal_verify_documents_list;
DEALLOCATE memseal_verify_conversations_list;
DEALLOCATE memseal_verify_document_find;
DEALLOCATE memseal_verify_conversation_find;
DEALLOCATE memseal_verify_chunks_oldest_first;
DEALLOCATE memseal_verify_chunks_newest_first;
DEALLOCATE memseal_verify_memory_known;
DEALLOCATE memseal_verify_document_bury;
DEALLOCATE memseal_verify_conversation_lock;
DEALLOCATE memseal_verify_chunks_delete;
DEALLOCATE memseal_verify_conversation_settle;
DEALLOCATE memseal_verify_ledger_deleted;
DEALLOCATE memseal_verify_matrix_state;
DEALLOCATE memseal_verify_matrix_documents;
DEALLOCATE memseal_verify_matrix_rows;
DEALLOCATE memseal_verify_matrix_fetch;
DEALLOCATE memseal_verify_terms_of_all;
DEALLOCATE memseal_verify_terms_of_documents;
DEALLOCATE memseal_verify_file_lock;
DEALLOCATE memseal_verify_file_count;
DEALLOCATE memseal_verify_file_room;
DEALLOCATE memseal_verify_file_twin;
DEALLOCATE memseal_verify_file_add;
DEALLOCATE memseal_verify_file_replace;
DEALLOCATE memseal_verify_file_find;
DEALLOCATE memseal_verify_file_object;
DEALLOCATE memseal_verify_file_list;
DEALLOCATE memseal_verify_file_remove;
DEALLOCATE memseal_verify_file_store_claim;
DEALLOCATE memseal_verify_file_store_read;
DEALLOCATE memseal_verify_file_store_used;
DEALLOCATE memseal_verify_person_look;
DEALLOCATE memseal_verify_person_erasers;
DEALLOCATE memseal_verify_person_make;
DEALLOCATE memseal_verify_person_lock;
DEALLOCATE memseal_verify_person_bury;
DEALLOCATE memseal_verify_person_tombstone;
DEALLOCATE memseal_verify_person_keys;
DEALLOCATE memseal_verify_person_tell;
DEALLOCATE memseal_verify_person_note;
DEALLOCATE memseal_verify_person_left;
DEALLOCATE memseal_verify_person_chunks;
DEALLOCATE memseal_verify_person_documents;
DEALLOCATE memseal_verify_person_events;
DEALLOCATE memseal_verify_person_replies;
DEALLOCATE memseal_verify_person_files;
DEALLOCATE memseal_verify_terms_insert;
DEALLOCATE memseal_verify_vectors_stored;
DEALLOCATE memseal_verify_keys_rewrap;
DEALLOCATE memseal_verify_reseal_texts;
DEALLOCATE memseal_verify_reseal_names;
DEALLOCATE memseal_verify_reseal_put_texts;
DEALLOCATE memseal_verify_reseal_put_names;
DEALLOCATE memseal_verify_reseal_count;
DEALLOCATE memseal_verify_rewrite_document;
DEALLOCATE memseal_verify_rewrite_find;
DEALLOCATE memseal_verify_rewrite_fill;
DEALLOCATE memseal_verify_rewrite_left;
\echo plans: 92 of 92
ROLLBACK;
