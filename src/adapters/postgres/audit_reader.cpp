#include "adapters/postgres/audit_reader.hpp"

#include "adapters/postgres/internal/audit_rows.hpp"
#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/run_command.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <map>

namespace memseal::postgres {

namespace {

constexpr const char* fetch_records = "FETCH 1000 FROM audit_rows";

/// memory_migrator may become the tables' owner, and has no rights of its own.
void become_owner_where_possible(pqxx::transaction_base& tx) {
  const auto row = tx.exec("SELECT coalesce(pg_has_role(to_regrole('memory_owner'), 'MEMBER'), "
                           "false) AND NOT coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = "
                           "current_user), false)");
  if (row.one_field().as<bool>()) tx.exec("SET LOCAL ROLE memory_owner");
}

void require_readable(pqxx::transaction_base& tx) {
  become_owner_where_possible(tx);
  const auto row = tx.exec("SELECT to_regclass('app.audit') IS NOT NULL, current_user, coalesce("
                           "has_table_privilege(to_regclass('app.audit'), 'SELECT'), false)");
  if (!row[0][0].as<bool>())
    throw_failure({Errc::not_migrated, "the schema has no audit log: run `memseal migrate up`"});
  if (row[0][2].as<bool>()) return;
  throw_failure({Errc::bad_config,
                 "the role " + std::string(row[0][1].c_str()) +
                     " may not read app.audit: set postgres.backup_dsn to the address of "
                     "memory_backup",
                 "postgres.backup_dsn"});
}

/// " WHERE …" of the filter, with its parameters.
std::string where_of(const AuditFilter& filter, pqxx::params& parameters) {
  std::string where;
  int count = 0;
  const auto add = [&](const std::string& before, const auto& value, const std::string& after) {
    parameters.append(value);
    where += (where.empty() ? " WHERE " : " AND ") + before + "$" + std::to_string(++count) + after;
  };
  constexpr const char* since_epoch = "timestamptz 'epoch' + ";
  constexpr const char* as_ms = "::bigint * interval '1 millisecond'";
  if (filter.since_ms) add(std::string("at >= ") + since_epoch, *filter.since_ms, as_ms);
  if (filter.until_ms) add(std::string("at < ") + since_epoch, *filter.until_ms, as_ms);
  if (!filter.tenant.empty()) add("tenant = ", filter.tenant, "");
  if (!filter.request_id.empty()) add("request_id = ", filter.request_id, "");
  if (!filter.action.empty()) add("action = ", filter.action, "");
  if (!filter.actor.empty()) add("actor = ", filter.actor, "");
  if (filter.document) {
    // At multiples of eight bytes only: bytes of two neighbours may look like a mark.
    const auto mark = to_hex(filter.document->data(), filter.document->size());
    add("EXISTS (SELECT FROM generate_series(0, octet_length(documents) / 8 - 1) i "
        "WHERE substring(documents FROM i * 8 + 1 FOR 8) = decode(",
        mark, ", 'hex'))");
  }
  return where;
}

/// Runs `visit` for each row of `query`, a thousand at a time.
void for_each_row(pqxx::transaction_base& tx, const std::string& query,
                  const pqxx::params& parameters,
                  const std::function<bool(const pqxx::row&)>& visit) {
  tx.exec("DECLARE audit_rows NO SCROLL CURSOR FOR " + query, parameters);
  for (;;) {
    const auto rows = tx.exec(fetch_records);
    for (const auto& row : rows)
      if (!visit(row)) return;
    if (rows.empty()) break;
  }
  tx.exec("CLOSE audit_rows");
}

Result<void> run_reader(const std::string& dsn,
                        const std::function<void(pqxx::transaction_base&)>& read) {
  const auto ran = run_command([&] {
    auto session = open_connection(dsn);
    pqxx::transaction<pqxx::isolation_level::repeatable_read, pqxx::write_policy::read_only> tx(
        session);
    // A log of years takes longer than a request may.
    tx.exec("SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = 0");
    require_readable(tx);
    read(tx);
    return true;
  });
  if (!ran) return ran.error();
  return {};
}

void judge_rows(pqxx::transaction_base& tx, audit::LogJudge& judge) {
  for_each_row(tx,
               std::string("SELECT ") + checkpoint_columns +
                   " FROM app.audit_checkpoints ORDER BY n",
               {}, [&](const pqxx::row& row) {
                 judge.add(checkpoint_of(row));
                 return true;
               });
  for_each_row(tx,
               std::string("SELECT ") + audit_columns + " FROM app.audit ORDER BY chain, seq", {},
               [&](const pqxx::row& row) {
                 judge.add(record_of(row));
                 return true;
               });
}

}  // namespace

Result<void> for_each_audit_record(const std::string& dsn, const AuditFilter& filter,
                                   const std::function<bool(const audit::Record&)>& visit) {
  return run_reader(dsn, [&](pqxx::transaction_base& tx) {
    pqxx::params parameters;
    const auto where = where_of(filter, parameters);
    auto query = std::string("SELECT ") + audit_columns + " FROM app.audit" + where;
    const std::string in_time = " ORDER BY at, chain, seq";
    if (filter.limit > 0)
      query = std::string("SELECT ") + audit_columns + " FROM (SELECT * FROM app.audit" + where +
              " ORDER BY at DESC, chain DESC, seq DESC LIMIT " + std::to_string(filter.limit) +
              ") newest";
    for_each_row(tx, query + in_time, parameters,
                 [&](const pqxx::row& row) { return visit(record_of(row)); });
  });
}

Result<void> judge_audit_log(const std::string& dsn, audit::LogJudge& judge) {
  return run_reader(dsn, [&](pqxx::transaction_base& tx) { judge_rows(tx, judge); });
}

Result<std::string> audit_lock_holder(const std::string& dsn) {
  return run_command([&] {
    auto session = open_connection(dsn);
    pqxx::read_transaction tx(session);
    return checkpoint_lock_holder(tx);
  });
}

// A chain loses a beginning only: up to the last record before the first one that is young enough,
// by the order of the chain, because a clock may have been set back. Records without a checkpoint
// stay, because their chain may still grow. $2: how far the signed ones reach, because a forged one
// would say that more is signed.
constexpr const char* old_ends = R"sql(
SELECT a.chain, a.seq, a.link FROM (
  SELECT c.chain, least(c.signed, coalesce((SELECT min(y.seq) - 1 FROM app.audit y
           WHERE y.chain = c.chain AND y.at >= timestamptz 'epoch' + $1::bigint
                 * interval '1 millisecond'), c.signed)) AS seq
  FROM json_to_recordset($2::json) AS c (chain uuid, signed bigint)) old
CROSS JOIN LATERAL (SELECT x.chain, x.seq, x.link FROM app.audit x
  WHERE x.chain = old.chain AND x.seq <= old.seq ORDER BY x.seq DESC LIMIT 1) a ORDER BY a.chain
)sql";

// The last checkpoints that are old and whose record is gone: of chains that were cut.
constexpr const char* cut_ends = R"sql(
SELECT c.n, (extract(epoch FROM c.at) * 1000)::bigint, c.kind, c.chain, c.seq, c.link, c.previous,
       c.signature
FROM app.audit_checkpoints c
WHERE c.kind = 'head' AND c.at < timestamptz 'epoch' + $1::bigint * interval '1 millisecond'
  AND NOT EXISTS (SELECT FROM app.audit a WHERE a.chain = c.chain AND a.seq >= c.seq)
ORDER BY c.chain, c.seq DESC, c.n DESC
)sql";

namespace {

std::string reach_json(const std::vector<audit::LogJudge::Reach>& reached) {
  boost::json::array rows;
  for (const auto& one : reached)
    rows.push_back(boost::json::object{{"chain", one.chain.to_string()},
                                       {"signed", one.covered}});
  return boost::json::serialize(rows);
}

std::int64_t delete_beginning(pqxx::transaction_base& tx, const audit::ChainHead& head) {
  return static_cast<std::int64_t>(
      tx.exec("DELETE FROM app.audit WHERE chain = $1 AND seq <= $2",
              pqxx::params{head.chain.to_string(), head.seq})
          .affected_rows());
}

std::vector<audit::ChainHead> ends_to_prune(pqxx::transaction_base& tx, std::int64_t before_ms,
                                            const audit::LogJudge& judge,
                                            const crypto::VerifyingKey& signer, bool past) {
  const auto reached = judge.reached();
  std::vector<audit::ChainHead> ends;
  for (const auto& row : tx.exec(old_ends, pqxx::params{before_ms, reach_json(reached)}))
    ends.push_back(head_of(row));
  if (!past) return ends;
  std::map<Uuid, std::int64_t> last;  // of the chains that no prune has ended
  for (const auto& one : reached)
    if (one.covered > one.pruned) last[one.chain] = one.covered;
  for (const auto& row : tx.exec(cut_ends, pqxx::params{before_ms})) {
    const auto checkpoint = checkpoint_of(row);
    const auto end = last.find(checkpoint.head.chain);
    if (end == last.end() || end->second != checkpoint.head.seq) continue;
    // A forged one would say where a chain ended.
    if (!audit::is_signed_by(checkpoint, signer)) continue;
    last.erase(end);
    std::erase_if(ends, [&](const auto& other) { return other.chain == checkpoint.head.chain; });
    ends.push_back(checkpoint.head);
  }
  return ends;
}

}  // namespace

Result<AuditPruned> prune_audit_log(const std::string& dsn, std::int64_t before_ms,
                                    std::int64_t now_ms, const crypto::SigningKey& signer,
                                    audit::LogJudge& judge, bool past) {
  return run_command([&] {
    auto session = open_connection(dsn, Access::write);
    // One moment for the judge and for what is deleted.
    pqxx::transaction<pqxx::isolation_level::repeatable_read> tx(session);
    tx.exec("SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = 0");
    // First, because the moment is that of the first query: later checkpoints would not be seen.
    if (!tx.exec(lock_checkpoints).one_field().as<bool>())
      throw_failure({Errc::unavailable, "a process signs the audit log just now: try again"});
    require_readable(tx);
    const auto rights = tx.exec("SELECT has_table_privilege('app.audit', 'DELETE')");
    if (!rights.one_field().as<bool>())
      throw_failure({Errc::bad_config,
                     "this role may not delete from app.audit: set postgres.migrate_dsn",
                     "postgres.migrate_dsn"});
    // The signature of where a chain begins would make a forgery genuine.
    judge_rows(tx, judge);
    if (!judge.finish().empty() && !past)
      throw_failure({Errc::signature_invalid,
                     "the audit log was changed, so nothing is deleted: `memseal audit verify` "
                     "says where, and --past-findings deletes all the same"});
    auto last = newest_checkpoint(tx, signer.verifying_key());
    AuditPruned pruned;
    for (const auto& head :
         ends_to_prune(tx, before_ms, judge, signer.verifying_key(), past)) {
      append_checkpoint(tx, last, audit::CheckpointKind::pruned, head, now_ms, signer);
      pruned.records += delete_beginning(tx, head);
      ++pruned.chains;
    }
    tx.commit();
    return pruned;
  });
}

}  // namespace memseal::postgres
