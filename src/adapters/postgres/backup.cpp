#include "adapters/postgres/backup.hpp"

#include "adapters/postgres/internal/binary.hpp"
#include "adapters/postgres/internal/connection.hpp"
#include "adapters/postgres/internal/fingerprint.hpp"
#include "adapters/postgres/internal/key_row.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/run_command.hpp"
#include "pure/codec/hex.hpp"

#include <postgresql/libpq-fe.h>

#include <algorithm>

namespace memseal::postgres {

namespace {

// Partitions hold the rows, so a partitioned table itself is left out.
constexpr const char* tables_sql =
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname IN ('app', 'memseal') AND c.relkind = 'r' ORDER BY 1";

// Who must exist before a dump can be read: owners and members of schema app, and everybody else to
// whom something was granted. The owner of schema memseal is whoever migrates.
constexpr const char* roles_sql = R"sql(
WITH acl AS (
  SELECT n.nspowner AS owner, a.grantee FROM pg_catalog.pg_namespace n,
    pg_catalog.aclexplode(n.nspacl) a WHERE n.nspname IN ('app', 'memseal')
  UNION
  SELECT c.relowner, a.grantee FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
    pg_catalog.aclexplode(c.relacl) a WHERE n.nspname IN ('app', 'memseal')
  UNION
  SELECT c.relowner, a.grantee FROM pg_catalog.pg_attribute t
    JOIN pg_catalog.pg_class c ON c.oid = t.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
    pg_catalog.aclexplode(t.attacl) a WHERE n.nspname IN ('app', 'memseal')
  UNION
  SELECT p.proowner, a.grantee FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace,
    pg_catalog.aclexplode(p.proacl) a WHERE n.nspname = 'app'
  UNION
  SELECT 0::oid, unnest(p.polroles) FROM pg_catalog.pg_policy p
  UNION
  SELECT 0::oid, c.relowner FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'app')
SELECT DISTINCT r.rolname FROM acl JOIN pg_catalog.pg_roles r ON r.oid = acl.grantee
WHERE acl.grantee <> acl.owner ORDER BY 1)sql";

constexpr const char* role_settings_sql =
    "SELECT unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s "
    "JOIN pg_catalog.pg_roles r ON r.oid = s.setrole "
    "JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase "
    "WHERE r.rolname = 'app_user' AND d.datname = current_database() ORDER BY 1";

std::vector<std::string> column(const pqxx::result& rows) {
  std::vector<std::string> texts;
  for (const auto& row : rows) texts.emplace_back(row[0].c_str());
  return texts;
}

std::map<std::string, std::int64_t> count_all(pqxx::transaction_base& tx) {
  std::map<std::string, std::int64_t> rows;
  for (const auto& table : column(tx.exec(tables_sql)))
    // Counted, not estimated, and in the snapshot of the dump: `verify` compares to the row. The
    // names are quoted by format() above.
    rows[table] = tx.exec("SELECT count(*) FROM " + table).one_field().as<std::int64_t>();
  return rows;
}

void read_deployment(pqxx::transaction_base& tx, BackupFacts& facts) {
  const auto settings = tx.exec("SELECT to_regclass('app.settings') IS NOT NULL");
  if (!settings.one_field().as<bool>())
    throw_failure({Errc::not_migrated,
                   "the database has no schema of memseal: there is nothing to back up"});
  for (const auto& row : tx.exec("SELECT key, value FROM app.settings")) {
    const std::string key = row[0].c_str();
    if (key == setting::schema_version) facts.schema_version = row[1].as<int>();
    if (key == setting::key_check) facts.tenant_key_check = row[1].c_str();
  }
  const auto vector = tx.exec("SELECT quote_ident(n.nspname), e.extversion "
                              "FROM pg_catalog.pg_extension e "
                              "JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace "
                              "WHERE e.extname = 'vector'");
  if (!vector.empty()) {
    facts.vector_schema = vector[0][0].c_str();
    facts.vector_version = vector[0][1].c_str();
  }
  for (const auto& row : tx.exec("SELECT DISTINCT kek_epoch FROM app.tenant_keys ORDER BY 1"))
    // So that a restore can say at once that the keyring lacks a key, and not at the first row that
    // does not open.
    facts.kek_epochs.push_back(row[0].as<std::uint32_t>());
}

BackupFacts read_facts(pqxx::transaction_base& tx) {
  BackupFacts facts;
  const auto server = tx.exec(
      "SELECT current_database(), (SELECT system_identifier FROM pg_catalog.pg_control_system()), "
      "current_setting('server_version_num'), (extract(epoch FROM now()) * 1000)::bigint");
  facts.database = server[0][0].c_str();
  facts.system_identifier = server[0][1].c_str();
  facts.server_version = server[0][2].as<int>();
  facts.taken_at_ms = server[0][3].as<std::int64_t>();
  read_deployment(tx, facts);
  facts.roles = column(tx.exec(roles_sql));
  facts.role_settings = column(tx.exec(role_settings_sql));
  facts.rows = count_all(tx);
  return facts;
}

SampledSeal sampled(const pqxx::row& row) {
  SampledSeal seal;
  const auto owner = codec::decode_hex(row[0].view()).value_or(Bytes{});
  std::copy_n(owner.begin(), std::min(owner.size(), seal.owner.bytes.size()),
              seal.owner.bytes.begin());
  seal.chunk.id = Uuid::parse(row[1].view()).value();
  seal.chunk.doc_id = row[2].c_str();
  seal.chunk.chunk_index = row[3].as<std::int32_t>();
  seal.chunk.text_cipher = parse_bytea(row[4].view());
  if (!row[5].is_null()) seal.chunk.meta_cipher = parse_bytea(row[5].view());
  if (!row[6].is_null()) seal.key = key_in(row, 6);
  return seal;
}

}  // namespace

struct BackupSnapshot::Session {
  pqxx::connection connection;
  // The snapshot lives as long as the transaction that exported it.
  pqxx::transaction<pqxx::isolation_level::repeatable_read, pqxx::write_policy::read_only> tx;

  explicit Session(const std::string& dsn) : connection(open_connection(dsn)), tx(connection) {
    // Hours may pass while pg_dump reads, so the settings of the role must not end this session.
    // row_security: a policy that would hide rows is an error.
    tx.exec("SET LOCAL search_path = ''; SET LOCAL row_security = off; "
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; "
            "SET LOCAL lock_timeout = '5s'");
  }
};

BackupSnapshot::BackupSnapshot() = default;
BackupSnapshot::~BackupSnapshot() = default;

Result<std::unique_ptr<BackupSnapshot>> BackupSnapshot::open(const std::string& dsn) {
  return run_command([&] {
    std::unique_ptr<BackupSnapshot> snapshot(new BackupSnapshot);
    snapshot->session_ = std::make_unique<Session>(dsn);
    auto& tx = snapshot->session_->tx;
    refuse_bound_role(tx);
    snapshot->id_ = tx.exec("SELECT pg_catalog.pg_export_snapshot()").one_field().c_str();
    snapshot->facts_ = read_facts(tx);
    return snapshot;
  });
}

Result<std::vector<std::pair<std::string, std::string>>> libpq_environment(const std::string& dsn) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(dsn.c_str(), nullptr), &PQconninfoFree);
  // libpq's message is not repeated, because it may quote the password.
  if (!options) return Error{Errc::bad_config, "the address of the database is malformed"};
  std::vector<std::pair<std::string, std::string>> environment{{"PGAPPNAME", "memseal backup"},
                                                               {"PGCLIENTENCODING", "UTF8"}};
  for (auto* option = options.get(); option->keyword; ++option)
    // The environment, because arguments of a process show in `ps` for everybody on the machine.
    if (option->val && option->envvar) environment.emplace_back(option->envvar, option->val);
  return environment;
}

Result<void> record_backup(const std::string& dsn, const BackupRecord& record) {
  const auto recorded = run_command([&] {
    auto session = open_connection(dsn, Access::write);
    pqxx::work tx(session);
    const auto rights = tx.exec("SELECT to_regclass('app.backups') IS NOT NULL, "
                                "coalesce(has_table_privilege(to_regclass('app.backups'), "
                                "'INSERT'), false), current_user");
    if (!rights[0][0].as<bool>())
      throw_failure({Errc::not_migrated,
                     "the schema keeps no record of backups yet: run `memseal migrate up`"});
    const std::string role = rights[0][2].c_str();
    if (!rights[0][1].as<bool>())
      throw_failure({Errc::bad_config, "the role " + role + " may not write to app.backups: run "
                                       "GRANT INSERT ON app.backups TO " + role});
    tx.exec("INSERT INTO app.backups (taken_at, bytes, release, sha256) "
            "VALUES (to_timestamp($1 / 1000.0), $2, $3, $4)",
            pqxx::params{record.taken_at_ms, record.bytes, record.release, record.sha256});
    tx.commit();
    return true;
  });
  if (!recorded) return recorded.error();
  return {};
}

asio::awaitable<std::optional<std::int64_t>> newest_backup(Pool& pool,
                                                           runtime::RequestContext context) {
  auto work = [](SystemTx& tx) -> std::optional<std::int64_t> {
    // Asks for the privilege first, because a statement that fails with 42501 would count as one
    // that row-level security refused.
    const auto readable = tx.exec(
        "SELECT coalesce(has_table_privilege(to_regclass('app.backups'), 'SELECT'), false)");
    if (!readable.one_field().as<bool>()) return std::nullopt;
    const auto newest =
        tx.exec("SELECT (extract(epoch FROM max(taken_at)) * 1000)::bigint FROM app.backups");
    if (newest[0][0].is_null()) return std::nullopt;
    return newest[0][0].as<std::int64_t>();
  };
  co_return co_await in_system(pool, std::move(context), std::move(work));
}

// The generation of its key stands in bytes 2 to 5 of a seal.
Result<std::vector<SampledSeal>> sample_seals(const std::string& dsn, std::size_t count) {
  return run_command([&] {
    auto session = open_connection(dsn);
    pqxx::read_transaction tx(session);
    tx.exec("SET LOCAL row_security = off");
    std::vector<SampledSeal> seals;
    for (const auto& row : tx.exec(
             "SELECT c.user_hash, c.id, c.doc_id, c.chunk_index, c.text_cipher, c.meta_cipher, "
             "k.key_id, k.kek_epoch, k.wrapped, k.kcv FROM (SELECT * FROM app.memory_chunks "
             "ORDER BY random() LIMIT $1) c LEFT JOIN app.tenant_keys k "
             "ON k.user_hash = c.user_hash AND k.key_id = ('x' || encode(substring(c.text_cipher "
             "FROM 2 FOR 4), 'hex'))::bit(32)::bigint",
             pqxx::params{static_cast<std::int64_t>(count)}))
      seals.push_back(sampled(row));
    return seals;
  });
}

Result<void> for_each_tenant(const std::string& dsn,
                             const std::function<bool(const TenantRow&)>& visit) {
  const auto listed = run_command([&] {
    constexpr std::int64_t rows_at_once = 1'000;
    auto session = open_connection(dsn);
    pqxx::read_transaction tx(session);
    refuse_bound_role(tx);
    for (std::string after;;) {
      const auto rows = tx.exec(
          "SELECT user_hash, state = 'erased', chunk_count, file_count, file_bytes, "
          "(extract(epoch FROM created_at) * 1000)::bigint, "
          "coalesce((extract(epoch FROM erased_at) * 1000)::bigint, 0) FROM app.tenants "
          "WHERE user_hash > $1::text COLLATE \"C\" ORDER BY user_hash LIMIT $2",
          pqxx::params{after, rows_at_once});
      for (const auto& row : rows) {
        // By the last hash and not by OFFSET, which would read all rows before it again for each
        // thousand.
        after = row[0].c_str();
        const auto number = [&](int column) { return row[column].as<std::int64_t>(); };
        if (!visit({after, row[1].as<bool>(), number(2), number(3), number(4), number(5),
                    number(6)}))
          return true;
      }
      if (static_cast<std::int64_t>(rows.size()) < rows_at_once) return true;
    }
  });
  if (!listed) return listed.error();
  return {};
}

Result<std::map<std::string, std::int64_t>> count_rows(const std::string& dsn) {
  return run_command([&] {
    auto session = open_connection(dsn);
    pqxx::read_transaction tx(session);
    tx.exec("SET LOCAL search_path = ''; SET LOCAL row_security = off");
    return count_all(tx);
  });
}

}  // namespace memseal::postgres
