#include "adapters/postgres/chunk_search.hpp"

#include "adapters/postgres/internal/candidate_row.hpp"
#include "adapters/postgres/internal/nearest_rows.hpp"
#include "adapters/postgres/internal/nearest_sql.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "runtime/observe.hpp"

#include <utility>

namespace memseal::postgres {

namespace {

// OFFSET 0 keeps the planner from computing each distance again for the comparison with $12.
#define MEMSEAL_FILTERED_PLACES                                                            \
  "SELECT s.place, s.id, s.distance FROM ("                                                \
  MEMSEAL_PLACES(" AND ($3::text[] = '{}' OR m.source = ANY ($3::text[])) "                \
                 "AND ($4::text[] = '{}' OR m.tags @> $4::text[]) "                        \
                 "AND ($5::text[] = '{}' OR m.doc_id = ANY ($5::text[])) "                 \
                 "AND ($6::text[] = '{}' OR m.tags && $6::text[]) "                        \
                 "AND NOT m.tags && $7::text[] "                                           \
                 "AND m.doc_id <> ALL ($8::text[]) "                                       \
                 "AND ($9::bigint IS NULL OR m.created_at > to_timestamp($9::bigint / 1000.0)) "   \
                 "AND ($10::bigint IS NULL OR m.created_at < to_timestamp($10::bigint / 1000.0)) " \
                 "AND ($11::uuid[] = '{}' OR m.id = ANY ($11::uuid[]))")                   \
  " OFFSET 0) s "                                                                          \
  "WHERE $12::float4 IS NULL OR (s.distance, s.id) > ($12::float4, $13::uuid)"

#define MEMSEAL_ALL_COLUMNS MEMSEAL_CANDIDATE_COLUMNS("c", "n.distance", "c.text_cipher")

// Different statements, because app_user's plans are generic (plan_cache_mode): one text would test
// the filters on every row, also where none is set.
constexpr Statement nearest_all{"nearest",
                                MEMSEAL_NEAREST(MEMSEAL_ALL_COLUMNS, MEMSEAL_PLACES(""))};
constexpr Statement nearest_filtered{"nearest_filtered",
                                     MEMSEAL_NEAREST(MEMSEAL_ALL_COLUMNS, MEMSEAL_FILTERED_PLACES)};
constexpr Statement nearest_labels{
    "nearest_labels", MEMSEAL_NEAREST(MEMSEAL_CANDIDATE_COLUMNS("c", "n.distance", "''::bytea"),
                                      MEMSEAL_FILTERED_PLACES)};

// The chunks of a document were stored in one transaction, so all have one time, and their index is
// their order. Turns have their own times. A document and a conversation of one id are kept apart.
#define MEMSEAL_NEIGHBOURS(is_before, comparison, direction)                                      \
  "SELECT " MEMSEAL_CANDIDATE_COLUMNS("m", "0::float4", "m.text_cipher") ", h.id, " is_before ", " \
  "m.created_at AS said, m.chunk_index AS place, m.id AS chunk "                                  \
  "FROM app.memory_chunks h CROSS JOIN LATERAL (SELECT o.* FROM app.memory_chunks o "             \
  "WHERE o.user_hash = (SELECT app.tenant()) AND o.doc_id = h.doc_id "                            \
  "AND (o.source = 'chat') = (h.source = 'chat') "                                                \
  "AND (o.expires_at IS NULL OR o.expires_at > now()) "                                           \
  "AND (o.created_at, o.chunk_index, o.id) " comparison " (h.created_at, h.chunk_index, h.id) "   \
  "ORDER BY o.created_at " direction ", o.chunk_index " direction ", o.id " direction " "         \
  "LIMIT $2::bigint) m "                                                                          \
  "WHERE h.user_hash = (SELECT app.tenant()) AND h.id = ANY ($1::uuid[])"

constexpr Statement neighbours_of{
    "neighbours", "SELECT * FROM (" MEMSEAL_NEIGHBOURS("true", "<", "DESC") " UNION ALL "
                  MEMSEAL_NEIGHBOURS("false", ">", "ASC") ") n ORDER BY n.said, n.place, n.chunk"};
#undef MEMSEAL_NEIGHBOURS
#undef MEMSEAL_ALL_COLUMNS
#undef MEMSEAL_FILTERED_PLACES

bool filters(const ports::SearchFilter& filter) {
  return !filter.origins.empty() || !filter.tags.empty() || !filter.doc_ids.empty() ||
         !filter.tags_any.empty() || !filter.tags_none.empty() || !filter.exclude.empty() ||
         filter.after_ms || filter.before_ms || !filter.ids.empty() || filter.after ||
         filter.without_texts;
}

void append_filter(pqxx::params& parameters, const ports::SearchFilter& filter,
                   ArrayBuilder& ids) {
  for (const auto& id : filter.ids) ids.add(id);
  std::vector<std::string> sources;
  for (const auto origin : filter.origins) sources.emplace_back(origin_name(origin));
  parameters.append(text_array(sources));
  parameters.append(text_array(filter.tags));
  parameters.append(text_array(filter.doc_ids));
  parameters.append(text_array(filter.tags_any));
  parameters.append(text_array(filter.tags_none));
  parameters.append(text_array(filter.exclude));
  parameters.append(filter.after_ms);
  parameters.append(filter.before_ms);
  parameters.append(binary(ids.bytes()));
  if (filter.after) {
    parameters.append(filter.after->distance);
    parameters.append(filter.after->id.to_string());
  } else {
    parameters.append();
    parameters.append();
  }
}

}  // namespace

std::vector<crypto::SealedCandidate> nearest_rows(TenantTx& tx, const ports::QueryVector& query,
                                                  std::size_t limit,
                                                  const ports::SearchFilter& filter) {
  const auto vector = halfvec(query.values);
  pqxx::params parameters{binary(std::as_bytes(std::span(vector))), limit};
  ArrayBuilder ids(oid::uuid);
  const bool filtered = filters(filter);
  if (filtered) append_filter(parameters, filter, ids);
  const auto rows = tx.exec(filter.without_texts ? nearest_labels
                            : filtered           ? nearest_filtered
                                                 : nearest_all,
                            parameters);
  std::vector<crypto::SealedCandidate> found;
  found.reserve(static_cast<std::size_t>(rows.size()));
  for (const auto& row : rows) found.push_back(candidate_of(row));
  return found;
}

asio::awaitable<std::vector<crypto::SealedCandidate>> PgChunkSearch::nearest(
    runtime::RequestContext context, crypto::Tenant owner, ports::QueryVector query,
    std::size_t limit, ports::SearchFilter filter) {
  if (limit == 0) co_return std::vector<crypto::SealedCandidate>();
  const auto start = runtime::Clock::now();
  auto work = [query = std::move(query), limit, filter = std::move(filter)](TenantTx& tx) {
    return nearest_rows(tx, query, limit, filter);
  };
  auto found = co_await in_tenant(pool_, std::move(context), owner, std::move(work));
  runtime::observe_since(pool_.metrics().search_s, start);
  co_return found;
}

asio::awaitable<std::vector<ports::Neighbour>> PgChunkSearch::neighbours(
    runtime::RequestContext context, crypto::Tenant owner, std::vector<Uuid> chunks,
    std::size_t each_side) {
  if (chunks.empty() || each_side == 0) co_return std::vector<ports::Neighbour>();
  auto work = [chunks = std::move(chunks), each_side](TenantTx& tx) {
    ArrayBuilder ids(oid::uuid);
    for (const auto& chunk : chunks) ids.add(chunk);
    const auto rows = tx.exec(neighbours_of, pqxx::params{binary(ids.bytes()), each_side});
    std::vector<ports::Neighbour> found;
    for (const auto& row : rows)
      found.push_back({Uuid::parse(row[candidate_columns].view()).value(),
                       row[candidate_columns + 1].as<bool>(), candidate_of(row)});
    return found;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

std::vector<Statement> search_statements() {
  return {nearest_all, nearest_filtered, nearest_labels, neighbours_of};
}

}  // namespace memseal::postgres
