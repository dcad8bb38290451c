#include "adapters/postgres/chunk_search.hpp"

#include "adapters/postgres/internal/candidate_row.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "runtime/observe.hpp"

#include <utility>

namespace memseal::postgres {

namespace {

// Both scans name their tenant, so that row-level security is the second barrier, not the only one.
// A ctid names the same row in both, because one statement reads one snapshot.
// The sort key is an expression over the distance, so that PostgreSQL can never answer it from a
// vector index. The inner select sorts only row addresses and distances, and the outer one fetches
// the rows, because carrying the other columns through the sort doubles the time.
#define MEMSEAL_NEAREST(filter)                                                                 \
  "SELECT " MEMSEAL_CANDIDATE_COLUMNS("c", "n.distance") " "                                    \
  "FROM (SELECT m.ctid AS place, "                                                              \
  "(m.embedding OPERATOR(${vector}.<=>) $1::${vector}.halfvec) + 0 AS distance "                \
  "FROM app.memory_chunks m "                                                                   \
  "WHERE m.user_hash = (SELECT app.tenant()) AND m.embedding IS NOT NULL "                      \
  "AND (m.expires_at IS NULL OR m.expires_at > now())" filter                                   \
  " ORDER BY distance LIMIT $2::bigint) n "                                                     \
  "JOIN app.memory_chunks c ON c.ctid = n.place AND c.user_hash = (SELECT app.tenant()) "       \
  "ORDER BY n.distance"

// Two statements, because app_user's plans are generic (plan_cache_mode): one text would test the
// filters on every row, also where none is set.
constexpr Statement nearest_all{"nearest", MEMSEAL_NEAREST("")};
constexpr Statement nearest_filtered{
    "nearest_filtered",
    MEMSEAL_NEAREST(" AND ($3::text = '' OR m.source = $3::text) "
                    "AND ($4::text[] = '{}' OR m.tags @> $4::text[]) "
                    "AND ($5::text[] = '{}' OR m.doc_id = ANY ($5::text[]))")};
#undef MEMSEAL_NEAREST

}  // namespace

asio::awaitable<std::vector<crypto::SealedCandidate>> PgChunkSearch::nearest(
    runtime::RequestContext context, crypto::Tenant owner, ports::QueryVector query,
    std::size_t limit, ports::SearchFilter filter) {
  if (limit == 0) co_return std::vector<crypto::SealedCandidate>();
  const auto start = runtime::Clock::now();
  auto work = [vector = halfvec(query.values), limit, filter = std::move(filter)](TenantTx& tx) {
    pqxx::params parameters{binary(std::as_bytes(std::span(vector))), limit};
    const bool filtered =
        filter.origin || !filter.tags.empty() || !filter.doc_ids.empty();
    if (filtered) {
      parameters.append(filter.origin ? origin_name(*filter.origin) : std::string_view());
      parameters.append(text_array(filter.tags));
      parameters.append(text_array(filter.doc_ids));
    }
    const auto rows = tx.exec(filtered ? nearest_filtered : nearest_all, parameters);
    std::vector<crypto::SealedCandidate> found;
    found.reserve(static_cast<std::size_t>(rows.size()));
    for (const auto& row : rows) found.push_back(candidate_of(row));
    return found;
  };
  auto found = co_await in_tenant(pool_, std::move(context), owner, std::move(work));
  runtime::observe_since(pool_.metrics().search_s, start);
  co_return found;
}

}  // namespace memseal::postgres
