#pragma once
// The parts of the statements that order chunks by their distance from a vector, $1. One text, so
// that every plan of a search has the same distances and the same order.

// Each scan names its tenant, so that row-level security is the second barrier, not the only one.
// A ctid names the same row in both scans, because one statement reads one snapshot.
// The sort key is an expression over the distance, so that PostgreSQL can never answer it from a
// vector index. It has the precision of the distance that callers see, so that a place in the order
// can be named by it, and ids decide between equal ones. The inner select sorts only row addresses,
// distances and ids, and the outer one fetches the rows, because carrying the other columns through
// the sort doubles the time.
#define MEMSEAL_PLACES(filter)                                                             \
  "SELECT m.ctid AS place, m.id, "                                                         \
  "((m.embedding OPERATOR(${vector}.<=>) $1::${vector}.halfvec) + 0)::float4 AS distance " \
  "FROM app.memory_chunks m "                                                              \
  "WHERE m.user_hash = (SELECT app.tenant()) AND m.embedding IS NOT NULL "                 \
  "AND (m.expires_at IS NULL OR m.expires_at > now())" filter
#define MEMSEAL_NEAREST(columns, places)                                                  \
  "SELECT " columns " FROM (" places " ORDER BY distance, id LIMIT $2::bigint) n "        \
  "JOIN app.memory_chunks c ON c.ctid = n.place AND c.user_hash = (SELECT app.tenant()) " \
  "ORDER BY n.distance, n.id"
