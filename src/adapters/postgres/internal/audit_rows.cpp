#include "adapters/postgres/internal/audit_rows.hpp"

#include "adapters/postgres/internal/binary.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <limits>

namespace memseal::postgres {

namespace {

namespace json = boost::json;

std::string hex_of(ByteView bytes) { return to_hex(bytes.data(), bytes.size()); }

crypto::Digest digest_in(const pqxx::field& field) {
  const auto bytes = parse_bytea(field.view());
  crypto::Digest digest{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), digest.size()), digest.begin());
  return digest;
}

Uuid uuid_in(const pqxx::field& field) {
  const auto id = Uuid::parse(field.view());
  return id ? *id : Uuid{};
}

}  // namespace

audit::Record record_of(const pqxx::row& row) {
  return {.chain = uuid_in(row[0]),
          .seq = row[1].as<std::int64_t>(),
          .at_ms = row[2].as<std::int64_t>(),
          .action = row[3].c_str(),
          .outcome = row[4].c_str(),
          .status = row[5].as<int>(),
          .tenant = row[6].c_str(),
          .actor = row[7].c_str(),
          .address = row[8].c_str(),
          .request_id = row[9].c_str(),
          .documents = parse_bytea(row[10].view()),
          .count = row[11].as<std::int64_t>(),
          .link = digest_in(row[12])};
}

audit::Checkpoint checkpoint_of(const pqxx::row& row) {
  using Kind = audit::CheckpointKind;
  const bool is_pruned = row[2].view() == audit::checkpoint_kind_name(Kind::pruned);
  return {.n = row[0].as<std::int64_t>(),
          .at_ms = row[1].as<std::int64_t>(),
          .kind = is_pruned ? Kind::pruned : Kind::head,
          .head = {uuid_in(row[3]), row[4].as<std::int64_t>(), digest_in(row[5])},
          .previous = digest_in(row[6]),
          .signature = parse_bytea(row[7].view())};
}

audit::ChainHead head_of(const pqxx::row& row) {
  return {uuid_in(row[0]), row[1].as<std::int64_t>(), digest_in(row[2])};
}

// One JSON text of all rows, because a statement of a thousand rows with a parameter for each value
// would be parsed again for each number of rows.
void insert_records(pqxx::transaction_base& tx, const std::vector<audit::Record>& records) {
  json::array rows;
  rows.reserve(records.size());
  for (const auto& record : records)
    rows.push_back(json::object{{"chain", record.chain.to_string()},
                                {"seq", record.seq},
                                {"at", record.at_ms},
                                {"action", record.action},
                                {"outcome", record.outcome},
                                {"status", record.status},
                                {"tenant", record.tenant},
                                {"actor", record.actor},
                                {"address", record.address},
                                {"request_id", record.request_id},
                                {"documents", hex_of(record.documents)},
                                {"count", record.count},
                                {"link", hex_of(record.link)}});
  tx.exec("INSERT INTO app.audit (chain, seq, at, action, outcome, status, tenant, actor, address, "
          "request_id, documents, count, link) SELECT chain, seq, "
          "timestamptz 'epoch' + at * interval '1 millisecond', action, outcome, status, tenant, "
          "actor, address, request_id, decode(documents, 'hex'), count, decode(link, 'hex') "
          "FROM json_to_recordset($1::json) AS r (chain uuid, seq bigint, at bigint, action text, "
          "outcome text, status smallint, tenant text, actor text, address text, request_id text, "
          "documents text, count bigint, link text)",
          pqxx::params{json::serialize(rows)});
}

void insert_checkpoint(pqxx::transaction_base& tx, const audit::Checkpoint& checkpoint) {
  tx.exec("INSERT INTO app.audit_checkpoints (n, at, kind, chain, seq, link, previous, signature) "
          "VALUES ($1, timestamptz 'epoch' + $2::bigint * interval '1 millisecond', $3, $4, $5, "
          "decode($6, 'hex'), decode($7, 'hex'), decode($8, 'hex'))",
          pqxx::params{checkpoint.n, checkpoint.at_ms,
                       std::string(audit::checkpoint_kind_name(checkpoint.kind)),
                       checkpoint.head.chain.to_string(), checkpoint.head.seq,
                       hex_of(checkpoint.head.link), hex_of(checkpoint.previous),
                       hex_of(checkpoint.signature)});
}

audit::Checkpoint newest_checkpoint(pqxx::transaction_base& tx,
                                    const crypto::VerifyingKey& signer) {
  const auto page = std::string("SELECT ") + checkpoint_columns +
                    " FROM app.audit_checkpoints WHERE n < $1 ORDER BY n DESC LIMIT 100";
  // Not the highest number of all, behind which there is none.
  for (auto before = std::numeric_limits<std::int64_t>::max();;) {
    const auto rows = tx.exec(page, pqxx::params{before});
    for (const auto& row : rows) {
      auto checkpoint = checkpoint_of(row);
      if (audit::is_signed_by(checkpoint, signer)) return checkpoint;
      before = checkpoint.n;
    }
    if (rows.empty()) return {};
  }
}

void append_checkpoint(pqxx::transaction_base& tx, audit::Checkpoint& last,
                       audit::CheckpointKind kind, const audit::ChainHead& head,
                       std::int64_t at_ms, const crypto::SigningKey& signer) {
  audit::Checkpoint next{.n = last.n + 1, .at_ms = at_ms, .kind = kind, .head = head};
  // Whoever may add rows may take numbers too. They stay, `memseal audit verify` tells of them, and
  // the log goes on behind them.
  const auto is_taken = "SELECT EXISTS (SELECT 1 FROM app.audit_checkpoints WHERE n = $1)";
  while (tx.exec(is_taken, pqxx::params{next.n}).one_field().as<bool>()) ++next.n;
  if (last.n > 0) next.previous = audit::digest_of(last);
  audit::sign(next, signer);
  insert_checkpoint(tx, next);
  last = std::move(next);
}

namespace {

std::string session_in(const pqxx::result& rows) {
  if (rows.empty()) return "";
  return "session " + std::string(rows[0][0].c_str()) + " of role " + rows[0][1].c_str();
}

}  // namespace

std::string checkpoints_writer(pqxx::transaction_base& tx) {
  return session_in(tx.exec(
      "SELECT l.pid, coalesce(a.usename, '?') FROM pg_locks l LEFT JOIN pg_stat_activity a "
      "ON a.pid = l.pid WHERE l.locktype = 'relation' AND l.granted "
      "AND l.mode = 'RowExclusiveLock' AND l.relation = 'app.audit_checkpoints'::regclass "
      "AND l.pid <> pg_backend_pid() LIMIT 1"));
}

std::string checkpoint_lock_holder(pqxx::transaction_base& tx) {
  return session_in(tx.exec(
      "SELECT l.pid, coalesce(a.usename, '?') FROM pg_locks l LEFT JOIN pg_stat_activity a "
      "ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
      "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
      "AND (l.classid::bigint << 32) | l.objid::bigint "
      "= hashtextextended('memseal.audit_checkpoints', 0) AND l.pid <> pg_backend_pid() LIMIT 1"));
}

}  // namespace memseal::postgres
