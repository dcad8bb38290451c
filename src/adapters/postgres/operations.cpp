#include "adapters/postgres/operations.hpp"

#include "adapters/postgres/internal/event_rows.hpp"
#include "adapters/postgres/internal/origin_column.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "adapters/postgres/internal/tenant_rows.hpp"

#include <span>
#include <string_view>
#include <utility>

namespace memseal::postgres {

namespace {

// A row that is there already belongs to an earlier request with the same idempotency key, or to
// the event itself, and says more than `queued`.
constexpr Statement queue_event{
    "event_queue",
    "INSERT INTO app.ingest_events (user_hash, event_id, kind, doc_id, state, deleted) "
    "VALUES ($1, $2, $3, $4, 'queued', $5) ON CONFLICT DO NOTHING"};

constexpr Statement find_event{
    "event_find",
    "SELECT kind, doc_id, state, coalesce(error_code, ''), chunks, "
    "(extract(epoch FROM created_at) * 1000)::bigint, "
    "(extract(epoch FROM updated_at) * 1000)::bigint, deleted FROM app.ingest_events "
    "WHERE user_hash = (SELECT app.tenant()) AND event_id = $1"};

// A superseded event is a succeeded one to the ledger, with a word about why it has no chunks: so a
// process of the version before reads it as well.
ports::OperationState state_of(std::string_view name, std::string_view error_code) {
  const auto state = ports::parse_operation_state(name);
  if (state == ports::OperationState::succeeded && error_code == superseded_mark)
    return ports::OperationState::superseded;
  if (state) return *state;
  throw Refused(Error{Errc::internal, "database: an operation has an unknown state"});
}

// The key is the operation's id, because a client's own words are not stored in the clear.
constexpr Statement keep_request{
    "request_keep",
    "INSERT INTO app.idempotency_keys (user_hash, key, request_mac, status, expires_at) "
    "VALUES ($1, $2, $3, 202, now() + interval '30 days') ON CONFLICT DO NOTHING"};
constexpr Statement find_request{
    "request_find",
    "SELECT encode(request_mac, 'hex') FROM app.idempotency_keys "
    "WHERE user_hash = (SELECT app.tenant()) AND key = $1"};

/// False when `event_id` was announced for another request. Of two at once the first commit counts.
bool is_first_request(TenantTx& tx, const Uuid& event_id, const Uuid& request) {
  const auto key = event_id.to_string();
  tx.exec(keep_request, pqxx::params{tx.user_hash(), key,
                                     binary(std::as_bytes(std::span(request.bytes)))});
  const std::string kept = tx.exec(find_request, pqxx::params{key}).one_field().c_str();
  return kept == to_hex(request.bytes.data(), request.bytes.size());
}

}  // namespace

asio::awaitable<bool> PgOperations::announce(runtime::RequestContext context, crypto::Tenant owner,
                                             Uuid event_id, Origin origin, DocId doc_id,
                                             std::optional<Uuid> request) {
  return enqueue(std::move(context), owner, event_id, origin, std::move(doc_id), request, {});
}

asio::awaitable<bool> PgOperations::announce_deletion(runtime::RequestContext context,
                                                      crypto::Tenant owner, Uuid event_id,
                                                      Origin origin, DocId doc_id,
                                                      std::optional<Uuid> request) {
  return enqueue(std::move(context), owner, event_id, origin, std::move(doc_id), request, 0);
}

asio::awaitable<bool> PgOperations::enqueue(runtime::RequestContext context, crypto::Tenant owner,
                                            Uuid event_id, Origin origin, DocId doc_id,
                                            std::optional<Uuid> request,
                                            std::optional<int> deleted) {
  auto work = [event_id, origin, doc_id = std::move(doc_id), request, deleted](TenantTx& tx) {
    if (!lock_tenant_row(tx))
      throw Refused(Error{Errc::tenant_erased, "this user's data is erased"});
    if (request && !is_first_request(tx, event_id, *request)) return false;
    tx.exec(queue_event, pqxx::params{tx.user_hash(), event_id.to_string(), origin_name(origin),
                                      doc_id.value(), deleted});
    return true;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<std::optional<ports::Operation>> PgOperations::find(
    runtime::RequestContext context, crypto::Tenant owner, Uuid event_id) {
  auto work = [event_id](TenantTx& tx) -> std::optional<ports::Operation> {
    const auto rows = tx.exec(find_event, pqxx::params{event_id.to_string()});
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    ports::Operation found;
    found.id = event_id;
    found.origin = origin_in_row(row[0].view());
    found.doc_id = row[1].c_str();
    found.state = state_of(row[2].view(), row[3].view());
    if (found.state == ports::OperationState::failed) found.error_code = row[3].c_str();
    found.chunks = row[4].as<std::int32_t>();
    found.created_at_ms = row[5].as<std::int64_t>();
    found.updated_at_ms = row[6].as<std::int64_t>();
    if (!row[7].is_null()) found.deleted = row[7].as<std::int32_t>();
    return found;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

std::vector<Statement> operation_statements() {
  return {queue_event, find_event, keep_request, find_request};
}

}  // namespace memseal::postgres
