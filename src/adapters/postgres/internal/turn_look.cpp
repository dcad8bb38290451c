#include "adapters/postgres/internal/turn_look.hpp"

#include "adapters/postgres/internal/binary.hpp"
#include "adapters/postgres/internal/candidate_row.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "base/assert.hpp"

#include <algorithm>
#include <set>
#include <string_view>

namespace memseal::postgres {

namespace {

constexpr Statement known_chunks{
    "chunks_known",
    "SELECT m.id FROM app.memory_chunks m "
    "WHERE m.user_hash = (SELECT app.tenant()) AND m.id = ANY ($1::uuid[])"};

// The turns of a conversation stand in the order in which they were said, those of one event that
// have one time in the order of the event. A time without end is 'infinity'.
constexpr Statement latest_turns{
    "turns_latest",
    "SELECT " MEMSEAL_CANDIDATE_COLUMNS("c", "0::float4", "c.text_cipher") ", u.place "
    "FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS u(doc_id, until_ms, place) "
    "CROSS JOIN LATERAL (SELECT m.* FROM app.memory_chunks m "
    "WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = u.doc_id COLLATE \"C\" "
    "AND m.source = 'chat' AND (m.expires_at IS NULL OR m.expires_at > now()) "
    "AND m.created_at <= coalesce(to_timestamp(u.until_ms / 1000.0), 'infinity') "
    "ORDER BY m.created_at DESC, m.chunk_index DESC, m.id DESC LIMIT $3::bigint) c "
    "ORDER BY u.place, c.created_at, c.chunk_index, c.id"};

}  // namespace

std::vector<ports::TurnsLook> look_at_stored_turns(TenantTx& tx,
                                                   const std::vector<ports::TurnsKey>& keys) {
  ArrayBuilder chunks(oid::uuid), doc_id(oid::text), until_ms(oid::int8);
  std::set<std::string_view> conversations;
  std::vector<std::size_t> asked;  // keys whose latest turns are wanted
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (const auto& chunk : keys[i].chunks) chunks.add(chunk);
    const std::string_view conversation = keys[i].conversation.value();
    if (!conversations.insert(conversation).second) continue;
    asked.push_back(i);
    doc_id.add(conversation);
    keys[i].until_ms ? until_ms.add(*keys[i].until_ms) : until_ms.add_null();
  }
  std::set<Uuid> known;
  for (const auto& row : tx.exec(known_chunks, pqxx::params{binary(chunks.bytes())}))
    known.insert(Uuid::parse(row[0].view()).value());

  std::vector<ports::TurnsLook> answers(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (const auto& chunk : keys[i].chunks) answers[i].stored.push_back(known.contains(chunk));
  const auto rows =
      tx.exec(latest_turns, pqxx::params{binary(doc_id.bytes()), binary(until_ms.bytes()),
                                         ports::turns_looked_at});
  for (const auto& row : rows) {
    const auto place = row[candidate_columns].as<std::size_t>();
    MEMSEAL_ASSERT(place >= 1 && place <= asked.size());
    answers[asked[place - 1]].latest.push_back(candidate_of(row));
  }
  return answers;
}

std::vector<Statement> turn_statements() {
  return {known_chunks, latest_turns};
}

}  // namespace memseal::postgres
