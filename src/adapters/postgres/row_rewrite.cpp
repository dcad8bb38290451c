#include "adapters/postgres/row_rewrite.hpp"

#include "adapters/postgres/backup.hpp"
#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/run_command.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"

#include <algorithm>
#include <vector>

namespace memseal::postgres {

namespace {

constexpr Statement next_document{
    "rewrite_document",
    "SELECT m.doc_id FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) "
    "AND m.doc_id > $1::text COLLATE \"C\" ORDER BY m.doc_id LIMIT 1"};

// By documents and in their order: what is read together comes to lie together, and
// memory_chunks_in_order finds the next rows without a look at those before. Whether a row is wide
// is no condition, because how many are changes with each batch: by an old guess the planner would
// read all rows of the tenant for each batch.
constexpr Statement find_rows{
    "rewrite_find",
    "SELECT m.id, m.created_at, m.chunk_index, m.filler IS NULL FROM app.memory_chunks m "
    "WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE \"C\" "
    "AND (m.created_at, m.chunk_index, m.id) > ($2::timestamptz, $3::int, $4::uuid) "
    "ORDER BY m.created_at, m.chunk_index, m.id LIMIT $5::bigint"};

// By the same range as above, also in the UPDATE: by ids the planner may read the whole tenant for
// each batch, where most tenants are small. A row that another transaction holds is left for
// later, because waiting for it while others wait for rows of this batch may end in a deadlock.
constexpr Statement fill_rows{
    "rewrite_fill",
    "WITH unlocked AS MATERIALIZED (SELECT c.id FROM app.memory_chunks c "
    "WHERE c.user_hash = (SELECT app.tenant()) AND c.doc_id = $1::text COLLATE \"C\" "
    "AND (c.created_at, c.chunk_index, c.id) > ($2::timestamptz, $3::int, $4::uuid) "
    "AND (c.created_at, c.chunk_index, c.id) <= ($5::timestamptz, $6::int, $7::uuid) "
    "AND c.filler IS NULL FOR NO KEY UPDATE OF c SKIP LOCKED) "
    "UPDATE app.memory_chunks m SET filler = DEFAULT "
    "WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE \"C\" "
    "AND (m.created_at, m.chunk_index, m.id) > ($2::timestamptz, $3::int, $4::uuid) "
    "AND (m.created_at, m.chunk_index, m.id) <= ($5::timestamptz, $6::int, $7::uuid) "
    "AND m.id = ANY (ARRAY(SELECT u.id FROM unlocked u))"};
constexpr Statement count_wide{
    "rewrite_left",
    "SELECT count(*) FROM app.memory_chunks m "
    "WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE \"C\" "
    "AND (m.created_at, m.chunk_index, m.id) > ($2::timestamptz, $3::int, $4::uuid) "
    "AND (m.created_at, m.chunk_index, m.id) <= ($5::timestamptz, $6::int, $7::uuid) "
    "AND m.filler IS NULL"};

constexpr int tries_max = 5;
constexpr std::chrono::duration<double> rest_max = std::chrono::seconds(5);

/// A place in a document.
struct RowPlace {
  std::string created_at = "-infinity";
  std::int32_t chunk_index = -1;
  std::string id = "00000000-0000-0000-0000-000000000000";
};

/// Rows of a document behind `after`, up to `last`.
struct RowRange {
  std::string doc_id;
  RowPlace after, last;

  pqxx::params params() const {
    return pqxx::params{doc_id,          after.created_at,  after.chunk_index, after.id,
                        last.created_at, last.chunk_index, last.id};
  }
};

/// Where a walk over a tenant's rows stands.
struct WalkState {
  std::string doc_id;
  bool in_document = false, over = false;
  RowPlace place;
  std::vector<RowRange> held;  ///< have rows that somebody else held
};

struct BatchDone {
  bool any = true;  ///< false: nothing was left to look at
  std::int64_t rows = 0, skipped = 0;
};

/// Whether rows of before migration 0011 are shorter than those of now. Throws not_migrated.
bool rows_need_it(pqxx::transaction_base& tx) {
  const auto facts = tx.exec(
      "SELECT has_column_privilege(a.attrelid, a.attnum, 'UPDATE'), v.atttypmod "
      "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attribute v "
      "ON v.attrelid = a.attrelid AND v.attname = 'embedding' "
      "WHERE a.attrelid = to_regclass('app.memory_chunks') "
      "AND a.attname = 'filler' AND NOT a.attisdropped");
  if (facts.empty() || !facts[0][0].as<bool>())
    throw_failure({Errc::not_migrated,
                   "the schema is older than migration 0011: run `memseal migrate up`"});
  return facts[0][1].as<std::size_t>() < rewrite_dimensions_end;
}

/// Another's lock, or the server's limit of a statement's time: another try may pass.
bool may_pass_later(const pqxx::sql_error& failed) {
  const auto state = sqlstate_of(failed);
  return state == "55P03" || state == "57014" || state == "40P01" || state == "40001";
}

/// One tenant's rows, a batch a transaction.
class TenantRewrite {
 public:
  TenantRewrite(pqxx::connection& session, std::string user_hash, std::size_t batch_rows)
      : session_(session), user_hash_(std::move(user_hash)), batch_rows_(batch_rows) {}

  /// Looks at the next rows and rewrites the wide ones, in one transaction; at the end tries once
  /// more those that somebody else held. Where it throws, the next call does the same again.
  BatchDone next() {
    BatchDone done;
    auto state = state_;
    pqxx::work tx(session_);
    tx.exec("SELECT pg_catalog.set_config('app.user_hash', $1, true)", pqxx::params{user_hash_});
    if (!state.over) {
      done.rows = walk(tx, state);
    } else if (!state.held.empty()) {
      const auto& range = state.held.back();
      done.rows = fill(tx, range);
      done.skipped = tx.exec(count_wide.sql, range.params()).one_field().as<std::int64_t>();
      state.held.pop_back();
    } else {
      done.any = false;
    }
    tx.commit();
    state_ = std::move(state);
    return done;
  }

 private:
  static std::int64_t fill(pqxx::work& tx, const RowRange& range) {
    return static_cast<std::int64_t>(tx.exec(fill_rows.sql, range.params()).affected_rows());
  }

  /// Returns how many rows it rewrote.
  std::int64_t walk(pqxx::work& tx, WalkState& state) const {
    std::int64_t filled = 0;
    std::size_t looked_at = 0;
    while (looked_at < batch_rows_ && begin_document(tx, state)) {
      const auto wanted = batch_rows_ - looked_at;
      const auto& [created_at, chunk_index, id] = state.place;
      const auto rows =
          tx.exec(find_rows.sql, pqxx::params{state.doc_id, created_at, chunk_index, id,
                                              static_cast<std::int64_t>(wanted)});
      RowRange range{state.doc_id, state.place, state.place};
      std::int64_t wide = 0;
      for (const auto& row : rows) {
        range.last = {row[1].c_str(), row[2].as<std::int32_t>(), row[0].c_str()};
        wide += row[3].as<bool>();
      }
      const auto now = wide > 0 ? fill(tx, range) : 0;
      if (now < wide) state.held.push_back(range);
      filled += now;
      looked_at += static_cast<std::size_t>(rows.size());
      state.place = range.last;
      state.in_document = static_cast<std::size_t>(rows.size()) == wanted;
    }
    state.over = looked_at < batch_rows_;
    return filled;
  }

  /// Goes on to the next document where the last one has ended. False: there is none.
  static bool begin_document(pqxx::work& tx, WalkState& state) {
    if (state.in_document) return true;
    const auto next = tx.exec(next_document.sql, pqxx::params{state.doc_id});
    if (next.empty()) return false;
    state.doc_id = next[0][0].c_str();
    state.place = {};
    return state.in_document = true;
  }

  pqxx::connection& session_;
  std::string user_hash_;
  std::size_t batch_rows_;
  WalkState state_;
};

using TellRewrite = std::function<bool(const RewriteReport&)>;

/// False: `tell` ended it.
bool rewrite_tenant(TenantRewrite rewrite, const RewriteOptions& options, const TellRewrite& tell,
                    const std::string& user_hash, RewriteReport& report) {
  using Clock = std::chrono::steady_clock;
  for (int tries = 1;;) {
    const auto start = Clock::now();
    BatchDone done;
    try {
      done = rewrite.next();
    } catch (const pqxx::sql_error& failed) {
      if (!may_pass_later(failed)) throw;
      if (tries == tries_max) {
        report.unfinished.push_back(user_hash);
        break;
      }
      options.pause(std::chrono::milliseconds(200) * tries++);
      continue;
    }
    tries = 1;
    if (!done.any) break;
    report.rows += done.rows;
    report.skipped += done.skipped;
    const std::chrono::duration<double> took = Clock::now() - start;
    if (!tell(report)) return false;
    if (done.rows > 0 && options.rest > 0) options.pause(std::min(took * options.rest, rest_max));
  }
  ++report.tenants;
  return true;
}

}  // namespace

Result<RewriteReport> rewrite_rows(const RewriteOptions& options, const TellRewrite& tell) {
  return run_command([&] {
    RewriteReport report;
    auto session = open_connection(options.writer_dsn, Access::write);
    {
      pqxx::work tx(session);
      refuse_unbound_role(tx);
      if (!rows_need_it(tx)) return report;
    }
    std::vector<std::string> tenants;
    for_each_tenant(options.reader_dsn, [&](const TenantRow& tenant) {
      if (!tenant.erased) tenants.push_back(tenant.user_hash);
      return true;
    }).value();
    for (const auto& user_hash : tenants)
      if (!rewrite_tenant({session, user_hash, options.batch_rows}, options, tell, user_hash,
                          report))
        break;
    return report;
  });
}

std::vector<Statement> row_rewrite_statements() {
  return {next_document, find_rows, fill_rows, count_wide};
}

}  // namespace memseal::postgres
