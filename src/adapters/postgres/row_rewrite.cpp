#include "adapters/postgres/row_rewrite.hpp"

#include "adapters/postgres/backup.hpp"
#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/run_command.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"

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

// A row that another transaction holds is left for the next run, because waiting for it while
// others wait for rows of this batch may end in a deadlock.
constexpr Statement fill_rows{
    "rewrite_fill",
    "WITH unlocked AS MATERIALIZED (SELECT c.id FROM unnest($1::uuid[]) AS t(id) "
    "JOIN app.memory_chunks c ON c.user_hash = (SELECT app.tenant()) AND c.id = t.id "
    "WHERE c.filler IS NULL FOR NO KEY UPDATE OF c SKIP LOCKED) "
    "UPDATE app.memory_chunks m SET filler = DEFAULT FROM unlocked u "
    "WHERE m.user_hash = (SELECT app.tenant()) AND m.id = u.id"};

/// Where a batch ended in a document.
struct Place {
  std::string created_at = "-infinity";
  std::int32_t chunk_index = -1;
  std::string id = "00000000-0000-0000-0000-000000000000";
};

void refuse_old_schema(pqxx::transaction_base& tx) {
  const auto filled = tx.exec(
      "SELECT has_column_privilege(a.attrelid, a.attnum, 'UPDATE') "
      "FROM pg_catalog.pg_attribute a WHERE a.attrelid = to_regclass('app.memory_chunks') "
      "AND a.attname = 'filler' AND NOT a.attisdropped");
  if (filled.empty() || !filled[0][0].as<bool>())
    throw_failure({Errc::not_migrated,
                   "the schema is older than migration 0011: run `memseal migrate up`"});
}

/// One tenant's rows, a batch a transaction.
class TenantRewrite {
 public:
  TenantRewrite(pqxx::connection& session, std::string user_hash, std::size_t batch_rows)
      : session_(session), user_hash_(std::move(user_hash)), batch_rows_(batch_rows) {}

  /// Looks at the next rows and rewrites the wide ones, in one transaction. Adds what it did to
  /// `report`. False: there were none.
  bool next(RewriteReport& report) {
    pqxx::work tx(session_);
    tx.exec("SELECT pg_catalog.set_config('app.user_hash', $1, true)", pqxx::params{user_hash_});
    const auto wide = look(tx);
    if (looked_at_ == 0) return false;
    if (!wide.empty()) {
      const auto filled = tx.exec(fill_rows.sql, pqxx::params{text_array(wide)}).affected_rows();
      report.rows += static_cast<std::int64_t>(filled);
      report.skipped += static_cast<std::int64_t>(wide.size() - static_cast<std::size_t>(filled));
    }
    tx.commit();
    return true;
  }

 private:
  /// Ids of the wide ones among the next rows.
  std::vector<std::string> look(pqxx::work& tx) {
    std::vector<std::string> wide;
    looked_at_ = 0;
    while (looked_at_ < batch_rows_ && begin_document(tx)) {
      const auto wanted = batch_rows_ - looked_at_;
      const auto rows =
          tx.exec(find_rows.sql, pqxx::params{doc_id_, place_.created_at, place_.chunk_index,
                                              place_.id, static_cast<std::int64_t>(wanted)});
      for (const auto& row : rows) {
        place_ = {row[1].c_str(), row[2].as<std::int32_t>(), row[0].c_str()};
        if (row[3].as<bool>()) wide.emplace_back(row[0].c_str());
      }
      looked_at_ += static_cast<std::size_t>(rows.size());
      in_document_ = static_cast<std::size_t>(rows.size()) == wanted;
    }
    return wide;
  }

  /// Goes on to the next document where the last one has ended. False: there is none.
  bool begin_document(pqxx::work& tx) {
    if (in_document_) return true;
    const auto next = tx.exec(next_document.sql, pqxx::params{doc_id_});
    if (next.empty()) return false;
    doc_id_ = next[0][0].c_str();
    place_ = {};
    return in_document_ = true;
  }

  pqxx::connection& session_;
  std::string user_hash_;
  std::size_t batch_rows_;
  std::string doc_id_;
  bool in_document_ = false;
  Place place_;
  std::size_t looked_at_ = 0;
};

}  // namespace

Result<RewriteReport> rewrite_rows(const RewriteOptions& options,
                                   const std::function<bool(const RewriteReport&)>& tell) {
  return run_command([&] {
    using Clock = std::chrono::steady_clock;
    auto session = open_connection(options.writer_dsn, Access::write);
    {
      pqxx::work tx(session);
      refuse_unbound_role(tx);
      refuse_old_schema(tx);
    }
    std::vector<std::string> tenants;
    for_each_tenant(options.reader_dsn, [&](const TenantRow& tenant) {
      if (!tenant.erased) tenants.push_back(tenant.user_hash);
      return true;
    }).value();
    RewriteReport report;
    for (const auto& user_hash : tenants) {
      TenantRewrite rewrite(session, user_hash, options.batch_rows);
      for (;;) {
        const auto start = Clock::now();
        if (!rewrite.next(report)) break;
        if (!tell(report)) return report;
        const std::chrono::duration<double> took = Clock::now() - start;
        if (options.rest > 0)
          pqxx::nontransaction(session).exec("SELECT pg_catalog.pg_sleep($1)",
                                             pqxx::params{took.count() * options.rest});
      }
      ++report.tenants;
    }
    return report;
  });
}

std::vector<Statement> row_rewrite_statements() {
  return {next_document, find_rows, fill_rows};
}

}  // namespace memseal::postgres
